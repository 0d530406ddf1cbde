//! Large things done a page at a time, so that nobody waits long for a lock.

/// Does a page after the other until one finds nothing left to do; gives how much was done.
pub async fn in_pages<D, E>(page: impl Fn() -> D) -> Result<u64, E>
where
    D: Future<Output = Result<u64, E>>,
{
    let mut all = 0;
    loop {
        match page().await? {
            0 => return Ok(all),
            done => all += done,
        }
    }
}
