package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// defaultURL is the REST service beside defaultGateway.
const defaultURL = "http://127.0.0.1:17028"

// me is the answer of GET /v1/me.
type me struct {
	DID     string `json:"did"`
	Key     string `json:"key"`
	Expires int64  `json:"expires"`
	Waiting struct {
		Operations     int `json:"operations"`
		Bytes          int `json:"bytes"`
		MostOperations int `json:"most_operations"`
		MostBytes      int `json:"most_bytes"`
	} `json:"waiting"`
}

func (a *app) loginCommand() *cobra.Command {
	var url string
	c := a.signing(&cobra.Command{
		Use: "login", Short: "Log in with a DID's key, and show what the gateway tells only its holder", Args: cobra.NoArgs,
		Long: `Log in at the gateway's REST service with the key of a key file: sign its challenge,
get an access token that is bound to a key of this run (DPoP), and show for whom the
gateway takes it, and which of the DID's operations wait there. Nothing is kept.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.session(c, url, func(ctx context.Context, s *client.Session) error {
				answer, err := s.Call(ctx, "GET", "/v1/me", nil)
				if err != nil {
					return err
				}
				var v me
				if err := json.Unmarshal(answer, &v); err != nil {
					return fmt.Errorf("answer of the gateway: %w", err)
				}
				return a.show(v, func(w io.Writer) {
					fmt.Fprintf(w, "did        %s\nkey        %s\nuntil      %s\nwaiting    %d of %d operations, %d of %d bytes\n", v.DID, v.Key,
						time.Unix(v.Expires, 0).UTC().Format(time.RFC3339), v.Waiting.Operations, v.Waiting.MostOperations, v.Waiting.Bytes, v.Waiting.MostBytes)
				})
			})
		},
	})
	c.Flags().StringVar(&url, "url", defaultURL, "`URL` of the gateway's REST service, as the gateway knows itself: https://host[:port]")
	return c
}

func (a *app) callCommand() *cobra.Command {
	var url, data string
	c := a.signing(&cobra.Command{
		Use: "call METHOD PATH", Short: "Send a request that needs a login", Args: cobra.ExactArgs(2),
		Long: `Log in as killick login does, send one request, and print the answer. --data names a
file with the JSON to send.`,
		Example: "  killick call POST /v1/openid/offers --keys university.keys --data offer.json",
		RunE: func(c *cobra.Command, args []string) error {
			var body []byte
			if data != "" {
				var err error
				if body, err = os.ReadFile(data); err != nil {
					return fmt.Errorf("read data: %w", err)
				}
			}
			return a.session(c, url, func(ctx context.Context, s *client.Session) error {
				answer, err := s.Call(ctx, strings.ToUpper(args[0]), args[1], body)
				if err == nil && len(answer) > 0 {
					_, err = fmt.Fprintln(a.out, strings.TrimRight(string(answer), "\n"))
				}
				return err
			})
		},
	})
	c.Flags().StringVar(&url, "url", defaultURL, "`URL` of the gateway's REST service, as the gateway knows itself: https://host[:port]")
	c.Flags().StringVar(&data, "data", "", "`file` with the JSON to send")
	return c
}

// session runs f with a session of the key file's identity.
func (a *app) session(c *cobra.Command, url string, f func(ctx context.Context, s *client.Session) error) error {
	return a.signed(c, func(ctx context.Context, _ *client.Client, signer client.Signer) error {
		s, err := signer.Session(url, nil)
		if err != nil {
			return err
		}
		return f(ctx, s)
	})
}
