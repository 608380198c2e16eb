//! Judges updates of a light client with the published verifier of tendermint-rs.
//!
//! Reads JSON lines `{"trusted", "trusted_next", "header", "validators", "now", "period", "drift"}` from standard input and writes
//! for each `accepted`, `distrusted` (a header in between may help) or `refused` with the reason. The first four are lower-case hex
//! of protobuf: SignedHeader, ValidatorSet, SignedHeader, ValidatorSet. Times are text: `now` and the others in nanoseconds.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde_json::Value;
use tendermint::block::signed_header::SignedHeader;
use tendermint::validator::Set;
use tendermint::Time;
use tendermint_light_client_verifier::options::Options;
use tendermint_light_client_verifier::types::{TrustThreshold, TrustedBlockState, UntrustedBlockState};
use tendermint_light_client_verifier::{ProdVerifier, Verdict, Verifier};
use tendermint_proto::v0_38::types as wire;
use tendermint_proto::Protobuf;

const SECOND: u64 = 1_000_000_000;

struct Line(Value);

impl Line {
    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("{name} is text"))
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_else(|_| panic!("{name} is a number"))
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let digits = self.text(name);
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("bytes are hex"))
            .collect()
    }

    fn header(&self, name: &str) -> Result<SignedHeader, String> {
        <SignedHeader as Protobuf<wire::SignedHeader>>::decode_vec(&self.bytes(name)).map_err(|error| error.to_string())
    }

    fn set(&self, name: &str) -> Result<Set, String> {
        <Set as Protobuf<wire::ValidatorSet>>::decode_vec(&self.bytes(name)).map_err(|error| error.to_string())
    }

    fn judge(&self) -> Result<Verdict, String> {
        let (trusted, trusted_next) = (self.header("trusted")?, self.set("trusted_next")?);
        let (header, validators) = (self.header("header")?, self.set("validators")?);
        let now = self.number("now");
        let now = Time::from_unix_timestamp((now / SECOND) as i64, (now % SECOND) as u32).expect("now is a time");
        let options = Options {
            trust_threshold: TrustThreshold::ONE_THIRD,
            trusting_period: Duration::from_nanos(self.number("period")),
            clock_drift: Duration::from_nanos(self.number("drift")),
        };
        let known = TrustedBlockState {
            chain_id: &trusted.header.chain_id,
            header_time: trusted.header.time,
            height: trusted.header.height,
            next_validators: &trusted_next,
            next_validators_hash: trusted.header.next_validators_hash,
        };
        let update = UntrustedBlockState {
            signed_header: &header,
            validators: &validators,
            next_validators: None,
        };
        Ok(ProdVerifier::default().verify_update_header(update, known, &options, now))
    }
}

fn main() {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = Line(serde_json::from_str(&line.expect("a line is UTF-8")).expect("a line is JSON"));
        let answer = match line.judge() {
            Ok(Verdict::Success) => "accepted".to_owned(),
            Ok(Verdict::NotEnoughTrust(_)) => "distrusted".to_owned(),
            Ok(Verdict::Invalid(why)) => format!("refused: {why:?}").replace('\n', " "),
            Err(why) => format!("refused: unreadable: {why}").replace('\n', " "),
        };
        writeln!(out, "{answer}").expect("standard output is open");
    }
}
