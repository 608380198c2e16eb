package main

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/cometbft/cometbft/light"
)

// update is a header to verify from a trusted one; the first four fields are hex of protobuf, times are nanoseconds.
type update struct {
	Trusted     string
	TrustedNext string `json:"trusted_next"`
	Header      string
	Validators  string
	Now         int64 `json:",string"`
	Period      int64 `json:",string"`
	Drift       int64 `json:",string"`
}

// judge answers `accepted`, `distrusted` (a header in between may help), or `refused` with the reason.
func judge(line []byte) (string, error) {
	var asked update
	if err := json.Unmarshal(line, &asked); err != nil {
		return "", err
	}
	err := asked.verify()
	var distrusted light.ErrNewValSetCantBeTrusted
	switch {
	case err == nil:
		return "accepted", nil
	case errors.As(err, &distrusted):
		return "distrusted", nil
	}
	return "refused: " + strings.ReplaceAll(err.Error(), "\n", " "), nil
}

func (asked update) verify() error {
	trusted, err := readHeader(asked.Trusted)
	if err != nil {
		return err
	}
	trustedNext, err := readSet(asked.TrustedNext)
	if err != nil {
		return err
	}
	header, err := readHeader(asked.Header)
	if err != nil {
		return err
	}
	validators, err := readSet(asked.Validators)
	if err != nil {
		return err
	}
	period, drift := time.Duration(asked.Period), time.Duration(asked.Drift)
	return light.Verify(trusted, trustedNext, header, validators, period, time.Unix(0, asked.Now), drift, light.DefaultTrustLevel)
}
