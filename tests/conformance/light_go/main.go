// Package main lets CometBFT's light client judge single updates and follow a chain from files, and its nodes judge evidence.
//
// The first argument chooses: `judge`, `follow` or `convict`. All read JSON lines from standard input and answer with one line for each.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"

	wire "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
)

const maxLine = 64 << 20

// eachLine hands every line of a stream to a function, until one fails.
func eachLine(from io.Reader, do func(line []byte) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if err := do(lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func readHeader(text string) (*types.SignedHeader, error) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	var message wire.SignedHeader
	if err := message.Unmarshal(raw); err != nil {
		return nil, err
	}
	return types.SignedHeaderFromProto(&message)
}

func readSet(text string) (*types.ValidatorSet, error) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return nil, err
	}
	var message wire.ValidatorSet
	if err := message.Unmarshal(raw); err != nil {
		return nil, err
	}
	return types.ValidatorSetFromProto(&message)
}

func main() {
	answer := map[string]func([]byte) (string, error){"judge": judge, "follow": follow, "convict": convict}[os.Args[1]]
	err := eachLine(os.Stdin, func(line []byte) error {
		said, err := answer(line)
		if err == nil {
			fmt.Println(said)
		}
		return err
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func asJSON(value any) (string, error) {
	raw, err := json.Marshal(value)
	return string(raw), err
}
