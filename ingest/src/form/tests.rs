use super::*;

#[test]
fn fields_are_decoded_strictly_and_found_under_escaped_names_too() {
    let form = Form::read(b"a=1+2&b=%C3%A4&%63=3&empty=").unwrap();
    assert_eq!(form.get("a").unwrap().as_deref(), Some("1 2"));
    assert_eq!(form.get("b").unwrap().as_deref(), Some("ä"));
    assert_eq!(form.get("c").unwrap().as_deref(), Some("3"));
    assert_eq!(form.get("empty").unwrap().as_deref(), Some(""));
    assert_eq!(form.get("d").unwrap(), None);
}

#[test]
fn a_field_that_comes_twice_a_broken_escape_no_utf8_or_json_is_refused() {
    for body in [&b"a=1&a=2"[..], b"a=1&%61=2", b"a=%", b"a=%4", b"a=%zz", b"a=%ff"] {
        Form::read(body).unwrap().get("a").unwrap_err();
    }
    Form::read(br#"{"text":"&a=1&"}"#).unwrap_err();
    let many = "x=1&".repeat(FIELDS_MAX);
    Form::read(many.as_bytes()).unwrap_err();
}
