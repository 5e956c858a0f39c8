package httpcallback

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// Secrets sign requests by Standard Webhooks 1.0, one signature for each secret.
// The zero value signs nothing.
type Secrets struct{ signers []*standardwebhooks.Webhook }

// ParseSecrets reads secrets, separated by commas: whsec_ and the base64 of 24 to
// 64 bytes. Two of them serve rotation. An empty text has no secret. Errors do
// not quote the text.
func ParseSecrets(s string) (Secrets, error) {
	if s == "" {
		return Secrets{}, nil
	}
	var all Secrets
	for item := range strings.SplitSeq(s, ",") {
		text, ok := strings.CutPrefix(strings.TrimSpace(item), "whsec_")
		if !ok {
			return Secrets{}, errors.New("a secret begins with whsec_")
		}
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return Secrets{}, errors.New("a secret is base64 after whsec_")
		}
		if len(key) < 24 || len(key) > 64 {
			return Secrets{}, fmt.Errorf("a secret has 24 to 64 bytes, not %d", len(key))
		}
		signer, _ := standardwebhooks.NewWebhookRaw(key) // any key is good for HMAC
		all.signers = append(all.signers, signer)
	}
	return all, nil
}

// sign returns the value of webhook-signature, which is empty without secrets.
func (s Secrets) sign(id string, at time.Time, body []byte) string {
	signatures := make([]string, len(s.signers))
	for i, signer := range s.signers {
		signatures[i], _ = signer.Sign(id, at, body) // HMAC does not fail
	}
	return strings.Join(signatures, " ")
}

// Format hides the keys from every verb of fmt.
func (Secrets) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("secrets")) }
