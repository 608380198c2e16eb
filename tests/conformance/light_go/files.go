package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"sync"

	"github.com/cometbft/cometbft/light/provider"
	"github.com/cometbft/cometbft/types"
)

// files is a provider of light blocks from a file: JSON lines `{"header", "validators"}` in hex of protobuf, from height 1.
type files struct {
	chainID  string
	lock     sync.Mutex
	blocks   []stored
	asked    int
	reported []string
}

type stored struct{ Header, Validators string }

func open(chainID, path string) (*files, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	source := &files{chainID: chainID, reported: []string{}}
	err = eachLine(file, func(line []byte) error {
		var block stored
		err := json.Unmarshal(line, &block)
		source.blocks = append(source.blocks, block)
		return err
	})
	return source, err
}

func (source *files) ChainID() string { return source.chainID }

func (source *files) LightBlock(_ context.Context, height int64) (*types.LightBlock, error) {
	source.lock.Lock()
	defer source.lock.Unlock()
	source.asked++
	if height == 0 {
		height = int64(len(source.blocks))
	}
	if height > int64(len(source.blocks)) {
		return nil, provider.ErrHeightTooHigh
	}
	said := source.blocks[height-1]
	header, err := readHeader(said.Header)
	if err != nil {
		return nil, provider.ErrBadLightBlock{Reason: err}
	}
	validators, err := readSet(said.Validators)
	if err != nil {
		return nil, provider.ErrBadLightBlock{Reason: err}
	}
	block := &types.LightBlock{SignedHeader: header, ValidatorSet: validators}
	if err := block.ValidateBasic(source.chainID); err != nil {
		return nil, provider.ErrBadLightBlock{Reason: err}
	}
	return block, nil
}

func (source *files) ReportEvidence(_ context.Context, evidence types.Evidence) error {
	source.lock.Lock()
	defer source.lock.Unlock()
	message, err := types.EvidenceToProto(evidence)
	if err != nil {
		return err
	}
	raw, err := message.Marshal()
	if err != nil {
		return err
	}
	source.reported = append(source.reported, hex.EncodeToString(raw))
	return nil
}
