//! What the address of a resource says of it: `module.net["a.b"].aws_vpc.main[0]`.

/// The module it is in, as Terraform names it; none for those at the root.
pub(super) fn module(address: &str) -> Option<&str> {
    let mut inside = 0;
    let mut parts = parts(address);
    while parts.next() == Some("module") {
        inside += "module.".len() + parts.next()?.len() + ".".len();
    }
    address.get(..inside.checked_sub(1)?)
}

/// Its name, without what counts it.
pub(super) fn name(address: &str) -> &str {
    let last = parts(address).last().unwrap_or_default();
    last.split('[').next().unwrap_or_default()
}

/// What stands between its dots: those in brackets are none.
fn parts(address: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut is_text) = (0_usize, false);
    address.split(move |c| {
        match c {
            '"' => is_text = !is_text,
            '[' if !is_text => depth += 1,
            ']' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '.' && depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_the_module_and_the_name() {
        for (address, of, called) in [
            ("aws_vpc.main", None, "main"),
            ("aws_vpc.main[0]", None, "main"),
            ("data.aws_ami.base", None, "base"),
            ("module.net.aws_vpc.main", Some("module.net"), "main"),
            (
                "module.net[\"a.b\"].module.sub.aws_vpc.main[\"c.]d\"]",
                Some("module.net[\"a.b\"].module.sub"),
                "main",
            ),
            (
                "urn:pulumi:dev::app::aws:s3/bucket:Bucket::logs",
                None,
                "urn:pulumi:dev::app::aws:s3/bucket:Bucket::logs",
            ),
            ("", None, ""),
        ] {
            assert_eq!((module(address), name(address)), (of, called), "{address}");
        }
    }
}
