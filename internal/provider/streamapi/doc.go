// Package streamapi is a client of StreamAPI (by Stickam), kept as a historical adapter: the vendor closed
// in 2013 and its servers no longer exist. It was written from the vendor's public pages and has never run
// against the real service, only against this project's sandbox.
//
// It holds what the vendor's HTTP API asked of a caller: MD5-signed requests with a request id that grows
// from call to call (FileRIDs keeps it across crashes), the seven calls, and XML answers. Sessions are always
// made private: the vendor then asks the site, by a call-back, about each viewer. ViewerKeys makes the
// short-lived keys that viewers bring, and Callback answers that call-back.
//
// The API has no call that makes, lists or changes keys, nor one that ends a session. There is nothing here
// to rotate, so Client is a provider.Provider without further abilities.
package streamapi
