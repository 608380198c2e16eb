package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	db "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/light"
	"github.com/cometbft/cometbft/light/provider"
	store "github.com/cometbft/cometbft/light/store/db"
)

// journey is a chain to follow: whom to ask, what to trust first, and how far to go.
type journey struct {
	ChainID   string `json:"chain_id"`
	Primary   string
	Witnesses []string
	// Hash is that of the header at height 1, in hex.
	Hash       string
	Target     int64
	Sequential bool
	Now        int64 `json:",string"`
	Period     int64 `json:",string"`
}

// arrival tells where a journey led.
type arrival struct {
	// Hash is that of the header that is trusted at the target, or empty.
	Hash string `json:"hash"`
	// Error is why the client went no further.
	Error string `json:"error"`
	// Attack is whether the client calls it an attack.
	Attack bool `json:"attack"`
	// Witnesses is how many the client has left.
	Witnesses int `json:"witnesses"`
	// Asked is how many blocks the primary was asked for.
	Asked int `json:"asked"`
	// Evidence is what the client reported to the primary and to each witness, as hex of protobuf.
	Evidence [][]string `json:"evidence"`
}

func follow(line []byte) (string, error) {
	var asked journey
	if err := json.Unmarshal(line, &asked); err != nil {
		return "", err
	}
	known := make([]*files, 0, 1+len(asked.Witnesses))
	for _, path := range append([]string{asked.Primary}, asked.Witnesses...) {
		source, err := open(asked.ChainID, path)
		if err != nil {
			return "", err
		}
		known = append(known, source)
	}
	found, err := asked.travel(known)
	if err != nil {
		return "", err
	}
	for _, source := range known {
		found.Evidence = append(found.Evidence, source.reported)
	}
	found.Asked = known[0].asked
	return asJSON(found)
}

func (asked journey) travel(known []*files) (arrival, error) {
	var found arrival
	hash, err := hex.DecodeString(asked.Hash)
	if err != nil {
		return found, err
	}
	witnesses := make([]provider.Provider, 0, len(known)-1)
	for _, source := range known[1:] {
		witnesses = append(witnesses, source)
	}
	way := light.SkippingVerification(light.DefaultTrustLevel)
	if asked.Sequential {
		way = light.SequentialVerification()
	}
	period := time.Duration(asked.Period)
	trust := light.TrustOptions{Period: period, Height: 1, Hash: hash}
	kept := store.New(db.NewMemDB(), asked.ChainID)
	client, err := light.NewClient(context.Background(), asked.ChainID, trust, known[0], witnesses, kept, way)
	if err != nil {
		return found, fmt.Errorf("no trust to begin with: %w", err)
	}
	block, err := client.VerifyLightBlockAtHeight(context.Background(), asked.Target, time.Unix(0, asked.Now))
	if err == nil {
		found.Hash = hex.EncodeToString(block.Hash())
	} else {
		found.Error = err.Error()
		found.Attack = errors.Is(err, light.ErrLightClientAttack)
	}
	found.Witnesses = len(client.Witnesses())
	return found, nil
}
