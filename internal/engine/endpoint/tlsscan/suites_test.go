package tlsscan

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	ids, names := map[uint16]bool{}, map[string]bool{}
	for _, s := range KnownSuites() {
		if ids[s.ID] || names[s.Name] {
			t.Errorf("%04X %s stands twice", s.ID, s.Name)
		}
		ids[s.ID], names[s.Name] = true, true
		if known := tls.CipherSuiteName(s.ID); !strings.HasPrefix(known, "0x") && known != s.Name &&
			known != strings.TrimSuffix(s.Name, "_SHA256") { // crypto/tls shortens two names
			t.Errorf("%04X is %s here and %s in crypto/tls", s.ID, s.Name, known)
		}
		if SuiteByID(s.ID) != s {
			t.Errorf("%04X is not found by its number", s.ID)
		}
	}
	for _, s := range tls.CipherSuites() {
		if s.SupportedVersions[0] != tls.VersionTLS13 && !ids[s.ID] {
			t.Errorf("%s is missing", s.Name)
		}
	}
	for _, s := range tls.InsecureCipherSuites() {
		if !ids[s.ID] {
			t.Errorf("%s is missing", s.Name)
		}
	}
	if s := SuiteByID(0xFEED); s.Name != "0xFEED" || s.Class != Weak {
		t.Errorf("a suite outside the table: %+v", s)
	}
}

func TestClasses(t *testing.T) {
	for name, want := range map[string]Class{
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256":         Strong,
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": Strong,
		"TLS_DHE_RSA_WITH_AES_256_CCM":                  Strong,
		"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA":            Dated,
		"TLS_DHE_RSA_WITH_AES_256_CBC_SHA256":           Dated,
		"TLS_RSA_WITH_AES_256_GCM_SHA384":               NoForwardSecrecy,
		"TLS_RSA_WITH_AES_128_CBC_SHA":                  NoForwardSecrecy,
		"TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256":          NoForwardSecrecy,
		"TLS_DH_DSS_WITH_AES_128_CBC_SHA":               NoForwardSecrecy,
		"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA":           Weak,
		"TLS_RSA_WITH_3DES_EDE_CBC_SHA":                 Weak,
		"TLS_ECDHE_ECDSA_WITH_RC4_128_SHA":              Weak,
		"TLS_RSA_WITH_NULL_SHA256":                      Weak,
		"TLS_RSA_EXPORT_WITH_RC4_40_MD5":                Weak,
		"TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA":         Weak,
		"TLS_ECDH_anon_WITH_AES_256_CBC_SHA":            Weak,
		"TLS_DH_anon_WITH_AES_256_GCM_SHA384":           Weak,
		"TLS_RSA_WITH_IDEA_CBC_SHA":                     Weak,
	} {
		found := false
		for _, s := range KnownSuites() {
			if s.Name == name {
				found = true
				if s.Class != want {
					t.Errorf("%s is %s, want %s", name, s.Class, want)
				}
			}
		}
		if !found {
			t.Errorf("%s is not in the table", name)
		}
	}
}
