//! Raw bytes of a connection, through the whole way in: heads, chunks, encodings, limits, proofs.

#![no_main]

use std::sync::LazyLock;

use ingest::fuzzing::Door;

/// Every kind of sender, each with a secret that nobody guesses.
static DOOR: LazyLock<Door> = LazyLock::new(|| {
    let secret = "c2b0b0d3f0f54f4d9b7d1f4b8d1e7a55";
    let signing = "whsec_V2hhdCBub2JvZHkga25vd3MsIG5vYm9keSBzaWducy4=";
    let mut settings: toml::Table = ingest::DEFAULTS.parse().expect("the defaults can be read");
    for (place, value) in [
        ("github", secret),
        ("gitlab", secret),
        ("bitbucket", secret),
        ("bitbucket_server", secret),
        ("spacelift", secret),
        ("slack", secret),
        ("azure_devops", &format!("stackly:{secret}")),
    ] {
        let table = settings[place].as_table_mut().expect("a source is a table");
        table.insert("secrets".into(), toml::Value::Array(vec![value.into()]));
    }
    settings["spacelift"]["sha1_fallback"] = true.into();
    settings["rate"]["unproven_per_minute"] = 0.into();
    let more = format!(
        "[standard.registry]\nsecrets = [\"{signing}\"]\n[custom.scanner]\nsecrets = \
         [\"{secret}\"]\nheader = \"x-scanner-signature\"\nencoding = \"base64\"\n\
         timestamp_header = \"x-scanner-time\"\n"
    );
    settings.extend(more.parse::<toml::Table>().expect("it is TOML"));
    Door::open(toml::Value::Table(settings)).expect("the settings are right")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| DOOR.request(data));
