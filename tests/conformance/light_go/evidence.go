package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cometbft/cometbft/evidence"
	wire "github.com/cometbft/cometbft/proto/tendermint/types"
	"github.com/cometbft/cometbft/types"
)

// charge is evidence with what a full node knows when it judges it; all but the id and the times are hex of protobuf.
type charge struct {
	ChainID  string `json:"chain_id"`
	Evidence string
	// Set is the one of the height of the votes, or of the last common height.
	Set string
	// Common and Trusted are the node's own headers; only an attack on light clients is judged by them.
	Common  string
	Trusted string
	Now     int64 `json:",string"`
	Period  int64 `json:",string"`
}

// convict answers `accepted` with the hash of the evidence, or `refused` with the reason.
func convict(line []byte) (string, error) {
	var asked charge
	if err := json.Unmarshal(line, &asked); err != nil {
		return "", err
	}
	found, err := asked.judge()
	if err != nil {
		return "refused: " + strings.ReplaceAll(err.Error(), "\n", " "), nil
	}
	return fmt.Sprintf("accepted %x", found.Hash()), nil
}

func (asked charge) judge() (types.Evidence, error) {
	raw, err := hex.DecodeString(asked.Evidence)
	if err != nil {
		return nil, err
	}
	var message wire.Evidence
	if err := message.Unmarshal(raw); err != nil {
		return nil, err
	}
	found, err := types.EvidenceFromProto(&message)
	if err != nil {
		return nil, err
	}
	if err := found.ValidateBasic(); err != nil {
		return nil, err
	}
	members, err := readSet(asked.Set)
	if err != nil {
		return nil, err
	}
	switch accused := found.(type) {
	case *types.DuplicateVoteEvidence:
		err = evidence.VerifyDuplicateVote(accused, asked.ChainID, members)
	case *types.LightClientAttackEvidence:
		if len(accused.ByzantineValidators) == 0 { // decoding makes an empty list of none, which is not what the check expects
			accused.ByzantineValidators = nil
		}
		err = asked.attack(accused, members)
	}
	return found, err
}

func (asked charge) attack(accused *types.LightClientAttackEvidence, members *types.ValidatorSet) error {
	common, err := readHeader(asked.Common)
	if err != nil {
		return err
	}
	trusted, err := readHeader(asked.Trusted)
	if err != nil {
		return err
	}
	return evidence.VerifyLightClientAttack(accused, common, trusted, members, time.Unix(0, asked.Now), time.Duration(asked.Period))
}
