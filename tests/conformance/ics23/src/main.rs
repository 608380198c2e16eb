//! Verifies two-level state proofs with the official ICS-23 library.
//!
//! Reads JSON lines `{"root", "store", "key", "value", "proof"}` from standard input and writes `accepted` or `refused` for each.
//! `store` is text, the others are lower-case hex; a `value` of null claims that the key is absent. `proof` is a protobuf
//! MerkleProof of two CommitmentProofs, the store's tree first. Input on which the library panics counts as refused.

use std::io::{self, BufRead, Write};
use std::panic;

use ics23::commitment_proof::Proof;
use ics23::{tendermint_spec, verify_membership, verify_non_membership, CommitmentProof, HostFunctionsProvider};
use prost::Message;
use serde_json::Value;
use sha2::{Digest, Sha256};

#[derive(Clone, PartialEq, Message)]
struct MerkleProof {
    #[prost(message, repeated, tag = "1")]
    proofs: Vec<CommitmentProof>,
}

/// SHA-256 is the only hash that the specs of our trees allow.
struct Hashes;

impl HostFunctionsProvider for Hashes {
    fn sha2_256(message: &[u8]) -> [u8; 32] {
        Sha256::digest(message).into()
    }

    fn sha2_512(_: &[u8]) -> [u8; 64] {
        unreachable!()
    }

    fn sha2_512_truncated(_: &[u8]) -> [u8; 32] {
        unreachable!()
    }

    fn keccak_256(_: &[u8]) -> [u8; 32] {
        unreachable!()
    }

    fn ripemd160(_: &[u8]) -> [u8; 20] {
        unreachable!()
    }

    fn blake2b_512(_: &[u8]) -> [u8; 64] {
        unreachable!()
    }

    fn blake2s_256(_: &[u8]) -> [u8; 32] {
        unreachable!()
    }

    fn blake3(_: &[u8]) -> [u8; 32] {
        unreachable!()
    }
}

struct Claim {
    root: Vec<u8>,
    store: String,
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    proof: Vec<u8>,
}

impl Claim {
    fn read(line: &str) -> Claim {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("{name} is text"));
        let bytes = |name: &str| -> Vec<u8> {
            let digits = text(name);
            (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("bytes are hex"))
                .collect()
        };
        Claim {
            root: bytes("root"),
            store: text("store").to_owned(),
            key: bytes("key"),
            value: (!line["value"].is_null()).then(|| bytes("value")),
            proof: bytes("proof"),
        }
    }

    fn holds(&self) -> bool {
        let Ok(MerkleProof { proofs }) = MerkleProof::decode(&self.proof[..]) else {
            return false;
        };
        let [inner, outer] = &proofs[..] else {
            return false;
        };
        let Some(Proof::Exist(store)) = &outer.proof else {
            return false;
        };
        let spec = tendermint_spec();
        let name = self.store.as_bytes();
        verify_membership::<Hashes>(outer, &spec, &self.root, name, &store.value)
            && match &self.value {
                Some(value) => verify_membership::<Hashes>(inner, &spec, &store.value, &self.key, value),
                None => verify_non_membership::<Hashes>(inner, &spec, &store.value, &self.key),
            }
    }
}

fn main() {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let claim = Claim::read(&line.expect("a line is UTF-8"));
        let holds = panic::catch_unwind(|| claim.holds()).unwrap_or(false);
        writeln!(out, "{}", if holds { "accepted" } else { "refused" }).expect("standard output is open");
    }
}
