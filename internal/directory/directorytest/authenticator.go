// Package directorytest has what tests need to sign people in: a passkey authenticator made of
// software, which can also lie.
package directorytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
)

// Authenticator is one passkey on one device, ES256, no attestation. Its fields say how it
// behaves; tests change them to lie.
type Authenticator struct {
	Origin       string // what the browser says it shows
	RPID         string // what the browser says the passkey is for
	NotVerified  bool   // the user was present but did not verify
	Counter      uint32 // of the last answer; the next has one more when Counts is set
	Counts       bool
	CredentialID []byte
	UserHandle   []byte

	key *ecdsa.PrivateKey
}

// New returns an authenticator without a passkey, honest for an origin and host.
func New(t testing.TB, origin, rpID string) *Authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id)
	return &Authenticator{Origin: origin, RPID: rpID, CredentialID: id, key: key}
}

// Options reads what an authenticator needs of a ceremony's options, as JSON or as a value.
type Options struct {
	Challenge        string `json:"challenge"`
	UserVerification string `json:"userVerification"`
	RPID             string `json:"rpId"`
	RP               struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	AuthenticatorSelection struct {
		ResidentKey      string `json:"residentKey"`
		UserVerification string `json:"userVerification"`
	} `json:"authenticatorSelection"`
}

// ReadOptions turns a ceremony's options into what an authenticator needs.
func ReadOptions(t testing.TB, options any) Options {
	t.Helper()
	b, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	var o Options
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// Register answers navigator.credentials.create.
func (a *Authenticator) Register(t testing.TB, options any) []byte {
	t.Helper()
	o := ReadOptions(t, options)
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	a.UserHandle = handle
	client := a.clientData(t, "webauthn.create", o.Challenge)
	point, err := a.key.PublicKey.Bytes() // 0x04 || x || y
	if err != nil {
		t.Fatal(err)
	}
	public := cbor(t, map[int]any{1: 2, 3: -7, -1: 1, -2: point[1:33], -3: point[33:65]})
	data := a.authenticatorData(0x40)
	data = append(data, make([]byte, 16)...) // AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.CredentialID)))
	data = append(append(data, a.CredentialID...), public...)
	attestation := cbor(t, map[string]any{"fmt": "none", "attStmt": map[string]any{}, "authData": data})
	return a.answer(t, map[string]any{
		"clientDataJSON": b64(client), "attestationObject": b64(attestation), "transports": []string{"internal"},
	})
}

// Login answers navigator.credentials.get.
func (a *Authenticator) Login(t testing.TB, options any) []byte {
	t.Helper()
	o := ReadOptions(t, options)
	client := a.clientData(t, "webauthn.get", o.Challenge)
	data := a.authenticatorData(0)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return a.answer(t, map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(a.UserHandle),
	})
}

func (a *Authenticator) clientData(t testing.TB, kind, challenge string) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (a *Authenticator) authenticatorData(flags byte) []byte {
	flags |= 0x01 // present
	if !a.NotVerified {
		flags |= 0x04
	}
	if a.Counts {
		a.Counter++
	}
	hash := sha256.Sum256([]byte(a.RPID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), a.Counter)
}

func (a *Authenticator) answer(t testing.TB, response map[string]any) []byte {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"id": b64(a.CredentialID), "rawId": b64(a.CredentialID), "type": "public-key",
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}}, "response": response,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func cbor(t testing.TB, v any) []byte {
	t.Helper()
	b, err := webauthncbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
