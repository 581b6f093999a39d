package wowza

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/tokensvc/tokensvc/internal/provider"
	"github.com/tokensvc/tokensvc/internal/provider/rest"
)

// Output is one rendition of a transcoder. A target that is played in several bit rates is attached to all of
// them. A live stream and its transcoder have the same id.
type Output struct {
	ID string
	// Targets are what is attached to it.
	Targets []Attachment
}

// Attachment is a target at an output.
type Attachment struct {
	// ID of the attachment itself; empty in answers that leave it out.
	ID string
	// TargetID is the target's.
	TargetID string
	// Backup is set where the target's backup URL is used.
	Backup bool
}

type attachmentBody struct {
	ID       string `json:"id,omitempty"`
	TargetID string `json:"stream_target_id"`
	Backup   bool   `json:"use_stream_target_backup_url"`
}

func (b attachmentBody) attachment() Attachment {
	return Attachment(b)
}

func outputsPath(transcoder string) string { return "/transcoders/" + transcoder + "/outputs" }

func attachedPath(transcoder, output string) string {
	return outputsPath(transcoder) + "/" + output + "/output_stream_targets"
}

// Outputs lists the outputs of a transcoder with what is attached to them.
func (c *Client) Outputs(ctx context.Context, transcoder string) ([]Output, error) {
	const name = "list outputs"
	if err := c.checkIDs(name, transcoder); err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, call{name: name, method: http.MethodGet, path: outputsPath(transcoder), repeat: rest.ReadOnly})
	if err != nil {
		return nil, err
	}
	var body struct {
		Outputs *[]struct {
			ID      string           `json:"id"`
			Targets []attachmentBody `json:"output_stream_targets"`
		} `json:"outputs"`
	}
	if err := rest.Decode(resp, &body); err != nil {
		return nil, err
	}
	if body.Outputs == nil {
		return nil, resp.Unreadable("the answer holds no list of outputs")
	}
	outputs := make([]Output, 0, len(*body.Outputs))
	for _, o := range *body.Outputs {
		outputs = append(outputs, Output{ID: o.ID, Targets: attachments(o.Targets)})
	}
	return outputs, nil
}

func attachments(bodies []attachmentBody) []Attachment {
	list := make([]Attachment, 0, len(bodies))
	for _, b := range bodies {
		list = append(list, b.attachment())
	}
	return list
}

// Attach attaches a target to an output. It is never repeated: after provider.ErrAmbiguous see Attached.
func (c *Client) Attach(ctx context.Context, transcoder, output, target string) (Attachment, error) {
	const name = "attach target"
	if err := c.checkIDs(name, transcoder, output, target); err != nil {
		return Attachment{}, err
	}
	type root struct {
		Attachment *attachmentBody `json:"output_stream_target"`
	}
	resp, err := c.do(ctx, call{
		name: name, method: http.MethodPost, path: attachedPath(transcoder, output), repeat: rest.Once,
		body: root{Attachment: &attachmentBody{TargetID: target}},
	})
	if err != nil {
		return Attachment{}, err
	}
	var body root
	if err := rest.Decode(resp, &body); err != nil {
		return Attachment{}, err
	}
	if body.Attachment == nil || body.Attachment.TargetID != target {
		return Attachment{}, resp.Unreadable("the answer does not hold what was attached")
	}
	return body.Attachment.attachment(), nil
}

// AttachAll implements provider.Attacher. Two targets that form a pair must both carry every output, or a rotation
// sends viewers to one that shows nothing.
func (c *Client) AttachAll(ctx context.Context, transcoder string, targets []string) ([]provider.Attachment, error) {
	outputs, err := c.Outputs(ctx, transcoder)
	if err != nil {
		return nil, err
	}
	var all []provider.Attachment
	for _, o := range outputs {
		for _, target := range targets {
			there := carries(o.Targets, target)
			if !there {
				if err := c.attachOnce(ctx, transcoder, o.ID, target); err != nil {
					return all, fmt.Errorf("attach %s to output %s: %w", target, o.ID, err)
				}
			}
			all = append(all, provider.Attachment{Output: o.ID, Resource: target, New: !there})
		}
	}
	return all, nil
}

// attachOnce attaches a target; where the answer was lost it looks whether it did.
func (c *Client) attachOnce(ctx context.Context, transcoder, output, target string) error {
	_, err := c.Attach(ctx, transcoder, output, target)
	if !errors.Is(err, provider.ErrAmbiguous) {
		return err
	}
	now, look := c.Attached(ctx, transcoder, output)
	if look == nil && carries(now, target) {
		return nil
	}
	return errors.Join(err, look)
}

func carries(attached []Attachment, target string) bool {
	return slices.ContainsFunc(attached, func(a Attachment) bool { return a.TargetID == target })
}

// Attached lists what is attached to an output.
func (c *Client) Attached(ctx context.Context, transcoder, output string) ([]Attachment, error) {
	const name = "list attached targets"
	if err := c.checkIDs(name, transcoder, output); err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, call{name: name, method: http.MethodGet, path: attachedPath(transcoder, output), repeat: rest.ReadOnly})
	if err != nil {
		return nil, err
	}
	var body struct {
		Targets *[]attachmentBody `json:"output_stream_targets"`
	}
	if err := rest.Decode(resp, &body); err != nil {
		return nil, err
	}
	if body.Targets == nil {
		return nil, resp.Unreadable("the answer holds no list of attached targets")
	}
	return attachments(*body.Targets), nil
}

// Detach detaches a target from an output. id is the target's, or the attachment's where the target is attached
// twice. One that is not attached is a success. v2.0 refuses it for a live stream's first target.
func (c *Client) Detach(ctx context.Context, transcoder, output, id string) error {
	const name = "detach target"
	if err := c.checkIDs(name, transcoder, output, id); err != nil {
		return err
	}
	return c.remove(ctx, name, attachedPath(transcoder, output)+"/"+id)
}
