package secondaccount

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

func (a *Account) transport() *http.Transport {
	t := &http.Transport{ResponseHeaderTimeout: 10 * time.Second, IdleConnTimeout: 10 * time.Second}
	if a.config.CA != nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(a.config.CA.PEM())
		t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return t
}

// Client speaks with the server as whoever the credentials are of: for what the second account's own administrator does, and
// for attacks.
func (a *Account) Client(c Credentials) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(a.Endpoint()), Region: Region, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, ""),
		HTTPClient:  &http.Client{Timeout: 30 * time.Second, Transport: a.transport()},
	})
}

// statement of a bucket's policy.
type statement struct {
	Sid       string
	Effect    string
	Principal map[string][]string
	Action    []string
	Resource  string
}

// policy is docs/audit-second-account.md's, as a policy of the bucket.
func (a *Account) policy(bucket string) string {
	who := func(c Credentials) map[string][]string { return map[string][]string{"AWS": {c.AccessKey}} }
	arn := "arn:aws:s3:::" + bucket
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []statement{
		{"WriterPuts", "Allow", who(a.keys.Writer), []string{"s3:PutObject", "s3:PutObjectRetention"}, arn + "/*"},
		{"VerifierLists", "Allow", who(a.keys.Verifier), []string{"s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketObjectLockConfiguration"}, arn},
		{"VerifierReads", "Allow", who(a.keys.Verifier), []string{"s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention"}, arn + "/*"},
	}})
	if err != nil {
		panic(err) // strings only
	}
	return string(b)
}

// NewBucket makes a bucket that writer and verifier may use, unless it is there: under object lock, or without, as somebody
// makes it who has overlooked that.
func (a *Account) NewBucket(ctx context.Context, bucket string, lock bool) error {
	root := a.Client(a.keys.Root)
	in := &s3.CreateBucketInput{Bucket: &bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(Region)}}
	if lock {
		in.ObjectLockEnabledForBucket = aws.Bool(true)
	}
	_, err := root.CreateBucket(ctx, in)
	var api smithy.APIError
	if err != nil && !(errors.As(err, &api) && (api.ErrorCode() == "BucketAlreadyOwnedByYou" || api.ErrorCode() == "BucketAlreadyExists")) {
		return cannot("make its bucket", err)
	}
	if _, err := root.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(a.policy(bucket))}); err != nil {
		return cannot("give its bucket a policy", err)
	}
	return nil
}
