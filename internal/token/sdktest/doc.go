// Package sdktest tests the SDK, module tenant, on a real PostgreSQL with schema garant. It stands here because the SDK's module
// imports a driver and nothing else, not even for its tests.
package sdktest
