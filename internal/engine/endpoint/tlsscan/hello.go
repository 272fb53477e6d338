package tlsscan

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/rand"
	"net"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// Version is a protocol version as it stands on the wire.
type Version uint16

// The versions, oldest first.
const (
	SSL30 Version = 0x0300
	TLS10 Version = 0x0301
	TLS11 Version = 0x0302
	TLS12 Version = 0x0303
	TLS13 Version = 0x0304
)

// Versions returns every version that a scan tries, oldest first.
func Versions() []Version { return []Version{SSL30, TLS10, TLS11, TLS12, TLS13} }

func (v Version) String() string {
	switch v {
	case SSL30:
		return "SSL 3.0"
	case TLS10:
		return "TLS 1.0"
	case TLS11:
		return "TLS 1.1"
	case TLS12:
		return "TLS 1.2"
	case TLS13:
		return "TLS 1.3"
	}
	return "unknown version"
}

// Code points of RFC 8446 and of the registries that it names.
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23

	messageHelloRequest       = 0
	messageClientHello        = 1
	messageServerHello        = 2
	messageCertificate        = 11
	messageServerKeyExchange  = 12
	messageCertificateRequest = 13
	messageServerHelloDone    = 14
	messageCertificateStatus  = 22

	extensionServerName          = 0
	extensionGroups              = 10
	extensionPointFormats        = 11
	extensionSignatureAlgorithms = 13
	extensionPadding             = 21
	extensionExtendedMaster      = 23
	extensionSupportedVersions   = 43
	extensionCookie              = 44
	extensionKeyExchangeModes    = 45
	extensionKeyShare            = 51

	renegotiationSCSV = 0x00FF

	groupX25519         = 0x001D
	groupP256           = 0x0017
	groupP384           = 0x0018
	groupP521           = 0x0019
	groupX25519MLKEM768 = 0x11EC
)

// groups13 are offered in TLS 1.3; the last ones only so that a server that insists on them
// answers with a HelloRetryRequest instead of an alert.
func groups13() []uint16 {
	return []uint16{groupX25519, groupP256, groupP384, groupP521, groupX25519MLKEM768,
		0x001E /* x448 */, 0x0100, 0x0101, 0x0102 /* ffdhe2048–4096 */}
}

// groups12 holds every named curve of RFC 8422 and its predecessors, so that no suite is
// refused only for want of a curve.
func groups12() []uint16 {
	groups := []uint16{groupX25519, groupP256, groupP384, groupP521, 0x001E}
	for g := uint16(0x0001); g <= 0x0016; g++ {
		groups = append(groups, g)
	}
	return append(groups, 0x001A, 0x001B, 0x001C, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104)
}

// signatureAlgorithms lists modern ones first, then all that TLS 1.2 knew, SHA-1 and MD5
// included: a server must not be able to hide a suite behind a missing signature.
func signatureAlgorithms() []uint16 {
	return []uint16{0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B,
		0x0401, 0x0501, 0x0601, 0x0402, 0x0502, 0x0602, 0x0303, 0x0301, 0x0302, 0x0203, 0x0201, 0x0202, 0x0101}
}

func suites13() []uint16 { return []uint16{0x1301, 0x1302, 0x1303, 0x1304, 0x1305} }

// keyShare is a public key sent in a TLS 1.3 hello.
type keyShare struct {
	group uint16
	key   []byte
}

// newKeyShare makes a real key of the group; ok is false for a group that this package cannot
// make keys of.
func newKeyShare(group uint16) (share keyShare, ok bool, err error) {
	curve := map[uint16]ecdh.Curve{groupX25519: ecdh.X25519(), groupP256: ecdh.P256(), groupP384: ecdh.P384(),
		groupP521: ecdh.P521(), groupX25519MLKEM768: ecdh.X25519()}[group]
	if curve == nil {
		return keyShare{}, false, nil
	}
	private, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return keyShare{}, false, err
	}
	key := private.PublicKey().Bytes()
	if group == groupX25519MLKEM768 {
		// The ML-KEM encapsulation key stands before the X25519 key in this hybrid.
		decapsulation, err := mlkem.GenerateKey768()
		if err != nil {
			return keyShare{}, false, err
		}
		key = slices.Concat(decapsulation.EncapsulationKey().Bytes(), key)
	}
	return keyShare{group: group, key: key}, true, nil
}

// offer is one ClientHello: exactly one version, and what the server may choose from.
type offer struct {
	version    Version
	serverName string // empty, or an IP address: no SNI
	suites     []uint16
	random     [32]byte
	session    [32]byte
	share      keyShare // TLS 1.3
	again      bool     // the second hello, after a HelloRetryRequest
	cookie     []byte   // of a HelloRetryRequest
}

func newOffer(version Version, serverName string, suites []uint16) (*offer, error) {
	o := &offer{version: version, serverName: serverName, suites: suites}
	if _, err := rand.Read(o.random[:]); err != nil {
		return nil, err
	}
	if version != TLS13 {
		return o, nil
	}
	if _, err := rand.Read(o.session[:]); err != nil {
		return nil, err
	}
	var err error
	o.share, _, err = newKeyShare(groupX25519)
	return o, err
}

// paddedSize is the least size of a hello that would else have 256 to 511 bytes, a length
// that some load balancers hang on (RFC 7685 §1).
const paddedSize = 512

// record returns the hello as one TLS record.
func (o *offer) record() ([]byte, error) {
	message, err := o.message(0)
	if err == nil && len(message) >= 256 && len(message) < paddedSize && o.version >= TLS10 {
		message, err = o.message(max(1, paddedSize-len(message)-4))
	}
	if err != nil {
		return nil, err
	}
	recordVersion := uint16(TLS10) // RFC 8446 §5.1: what old servers read without complaint
	switch {
	case o.version == SSL30:
		recordVersion = uint16(SSL30)
	case o.again:
		recordVersion = uint16(TLS12) // only the first hello may differ
	}
	var b cryptobyte.Builder
	b.AddUint8(recordHandshake)
	b.AddUint16(recordVersion)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(message) })
	return b.Bytes()
}

func (o *offer) message(padding int) ([]byte, error) {
	legacy := min(o.version, TLS12)
	var b cryptobyte.Builder
	b.AddUint8(messageClientHello)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(uint16(legacy))
		b.AddBytes(o.random[:])
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) {
			if o.version == TLS13 {
				b.AddBytes(o.session[:]) // middlebox compatibility, RFC 8446 §D.4
			}
		})
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, s := range o.suites {
				b.AddUint16(s)
			}
			if o.version != TLS13 {
				b.AddUint16(renegotiationSCSV)
			}
		})
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(0) }) // no compression
		if o.version == SSL30 {
			return // RFC 6101 knows no extensions
		}
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { o.extensions(b, padding) })
	})
	return b.Bytes()
}

func (o *offer) extensions(b *cryptobyte.Builder, padding int) {
	if o.serverName != "" && net.ParseIP(o.serverName) == nil {
		extension(b, extensionServerName, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint8(0) // host_name
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(o.serverName)) })
			})
		})
	}
	groups := groups12()
	if o.version == TLS13 {
		groups = groups13()
	}
	extension(b, extensionGroups, func(b *cryptobyte.Builder) { list16(b, groups) })
	extension(b, extensionPointFormats, func(b *cryptobyte.Builder) {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte{0, 1, 2}) })
	})
	extension(b, extensionExtendedMaster, func(*cryptobyte.Builder) {})
	if o.version >= TLS12 {
		extension(b, extensionSignatureAlgorithms, func(b *cryptobyte.Builder) { list16(b, signatureAlgorithms()) })
	}
	if o.version == TLS13 {
		extension(b, extensionSupportedVersions, func(b *cryptobyte.Builder) {
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(uint16(TLS13)) })
		})
		extension(b, extensionKeyExchangeModes, func(b *cryptobyte.Builder) {
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint8(1) }) // psk_dhe_ke
		})
		extension(b, extensionKeyShare, func(b *cryptobyte.Builder) {
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				b.AddUint16(o.share.group)
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(o.share.key) })
			})
		})
		if len(o.cookie) > 0 {
			extension(b, extensionCookie, func(b *cryptobyte.Builder) {
				b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(o.cookie) })
			})
		}
	}
	if padding > 0 {
		extension(b, extensionPadding, func(b *cryptobyte.Builder) { b.AddBytes(make([]byte, padding)) })
	}
}

func extension(b *cryptobyte.Builder, id uint16, body func(*cryptobyte.Builder)) {
	b.AddUint16(id)
	b.AddUint16LengthPrefixed(body)
}

func list16(b *cryptobyte.Builder, values []uint16) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, v := range values {
			b.AddUint16(v)
		}
	})
}
