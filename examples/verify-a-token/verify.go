// Verifies an access token of Doorward with Go's standard library: token on stdin, secret in SECRET_KEY, claims on
// stdout.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Claims are what an access token says.
type Claims struct {
	Subject   string          `json:"sub"`
	Role      string          `json:"role"`
	ID        string          `json:"jti"`
	IssuedAt  int64           `json:"iat"`
	ExpiresAt int64           `json:"exp"`
	Session   string          `json:"sid,omitempty"`
	Audience  json.RawMessage `json:"aud,omitempty"`
}

// Verify gives the claims of token, or says why it is refused: expired, forged or not an access token.
func Verify(token string, secretKey []byte, now time.Time) (*Claims, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a token")
	}

	// Nothing of the token is believed before its signature holds. Texts are compared, not decoded bytes:
	// Go's base64 decoder overlooks line ends.
	mac := hmac.New(sha256.New, secretKey)
	mac.Write([]byte(parts[0] + "." + parts[1]))
	expected := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(parts[2]), []byte(expected)) {
		return nil, errors.New("wrong signature")
	}

	var header struct {
		Algorithm string          `json:"alg"`
		Critical  json.RawMessage `json:"crit"`
	}
	if err := decode(parts[0], &header); err != nil {
		return nil, err
	}
	if header.Algorithm != "HS256" || header.Critical != nil {
		return nil, errors.New("not signed with HS256")
	}

	var claims Claims
	if err := decode(parts[1], &claims); err != nil {
		return nil, err
	}
	switch {
	case claims.Subject == "" || claims.Role == "" || claims.ID == "" || claims.IssuedAt == 0 || claims.ExpiresAt == 0:
		return nil, errors.New("a claim is missing")
	case claims.IssuedAt > now.Unix():
		return nil, errors.New("issued in the future")
	case claims.ExpiresAt <= now.Unix():
		return nil, errors.New("expired")
	case claims.Audience != nil: // or: not your audience
		return nil, errors.New("meant for somebody else")
	}
	return &claims, nil
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return errors.New("not base64url")
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("not the JSON of an access token")
	}
	return nil
}

func run() error {
	secretKey := os.Getenv("SECRET_KEY")
	if len(secretKey) < 32 {
		return errors.New("SECRET_KEY must hold the server's secret: 32 bytes or more")
	}
	token, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	claims, err := Verify(strings.TrimSpace(string(token)), []byte(secretKey), time.Now())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(claims)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}
