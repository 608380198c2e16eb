// Judges our state proofs with the official ICS-23 library: a claim per line of JSON, `accepted` or `refused` per line of answer.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	ics23 "github.com/cosmos/ics23/go"
)

// claim is what a proof is said to show; all but the store's name are hex. Without a value the key is said to be absent.
type claim struct {
	Root  string
	Store string
	Key   string
	Value *string
	Proof string
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<26)
	answers := bufio.NewWriter(os.Stdout)
	for lines.Scan() {
		var asked claim
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if asked.holds() {
			fmt.Fprintln(answers, "accepted")
		} else {
			fmt.Fprintln(answers, "refused")
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	answers.Flush()
}

// holds checks both levels as ibc-go does: the key below its store's root, and that root below the app hash.
func (asked claim) holds() (held bool) {
	defer func() { // the library panics on some malformed proofs
		if recover() != nil {
			held = false
		}
	}()
	levels, err := readLevels(bytes(asked.Proof))
	if err != nil || len(levels) != 2 {
		return false
	}
	storeRoot, err := levels[0].Calculate()
	if err != nil {
		return false
	}
	key := bytes(asked.Key)
	if asked.Value == nil {
		held = ics23.VerifyNonMembership(ics23.TendermintSpec, storeRoot, levels[0], key)
	} else {
		held = ics23.VerifyMembership(ics23.TendermintSpec, storeRoot, levels[0], key, bytes(*asked.Value))
	}
	return held && ics23.VerifyMembership(ics23.TendermintSpec, bytes(asked.Root), levels[1], []byte(asked.Store), storeRoot)
}

func bytes(text string) []byte {
	raw, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return raw
}
