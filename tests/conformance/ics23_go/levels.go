package main

import (
	"errors"

	ics23 "github.com/cosmos/ics23/go"
)

var errMalformed = errors.New("malformed")

// readLevels reads ibc-go's MerkleProof, which lies outside of the library: field 1, repeated, is a CommitmentProof.
func readLevels(raw []byte) ([]*ics23.CommitmentProof, error) {
	var levels []*ics23.CommitmentProof
	for len(raw) > 0 {
		if raw[0] != 10 {
			return nil, errMalformed
		}
		size, used := varint(raw[1:])
		rest := raw[1+used:]
		if used == 0 || size > uint64(len(rest)) {
			return nil, errMalformed
		}
		level := new(ics23.CommitmentProof)
		if err := level.Unmarshal(rest[:size]); err != nil {
			return nil, err
		}
		levels = append(levels, level)
		raw = rest[size:]
	}
	return levels, nil
}

// varint returns a number and how many bytes it takes, or 0 bytes if there is none.
func varint(raw []byte) (uint64, int) {
	var value uint64
	for at := 0; at < len(raw) && at < 10; at++ {
		value |= uint64(raw[at]&0x7f) << (7 * at)
		if raw[at] < 0x80 {
			return value, at + 1
		}
	}
	return 0, 0
}
