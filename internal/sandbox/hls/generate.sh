#!/bin/sh
# Makes the test stream in vod/: 8 s of a test pattern with a running clock and a beep each second, as four
# HLS segments of 2 s. The result is committed; run this again only to change the picture. Needs ffmpeg with
# libx264. -bitexact and a single encoder thread make two runs of one ffmpeg give the same bytes.
set -eu
cd "$(dirname "$0")/vod"
rm -f media_*.ts chunklist.m3u8
ffmpeg -nostdin -hide_banner -loglevel error \
	-f lavfi -i 'testsrc=size=256x144:rate=15:duration=8' \
	-f lavfi -i 'sine=frequency=220:beep_factor=4:sample_rate=48000:duration=8,volume=0.2' \
	-map 0:v -map 1:a -threads 1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact \
	-c:v libx264 -profile:v baseline -level 1.2 -pix_fmt yuv420p -preset veryslow -crf 30 \
	-g 30 -keyint_min 30 -sc_threshold 0 \
	-c:a aac -ac 1 -b:a 32k \
	-f hls -hls_time 2 -hls_list_size 0 -hls_playlist_type vod \
	-hls_segment_filename 'media_%d.ts' chunklist.m3u8
