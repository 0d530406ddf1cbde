//! Who is to blame for a database error.

use super::Fault;

#[test]
fn a_database_that_is_away_is_nobodys_fault() {
    for error in [
        sqlx::Error::PoolTimedOut,
        sqlx::Error::PoolClosed,
        sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into()),
    ] {
        assert_eq!(Fault::of(&error), Fault::Away, "{error}");
    }
}

#[test]
fn what_cannot_be_read_back_a_newer_build_wrote() {
    assert_eq!(Fault::of(&sqlx::Error::RowNotFound), Fault::Input);
    assert_eq!(Fault::of(&sqlx::Error::Decode("no JSON".into())), Fault::Newer);
}
