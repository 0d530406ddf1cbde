use super::*;

const LIMITS: Limits =
    Limits { bytes_max: 100_000, patience: Duration::from_secs(10), bytes_per_second_min: 1_000 };

fn pieces(pieces: &[&'static [u8]]) -> Body {
    let pieces: Vec<_> =
        pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece))).collect();
    Body::from_stream(futures::stream::iter(pieces))
}

#[tokio::test]
async fn a_body_is_whole_in_one_piece_or_in_many() {
    let budget = Budget::new(1_000_000);
    for (body, expected) in [
        (Body::empty(), &b""[..]),
        (Body::from("one"), b"one"),
        (pieces(&[b"one", b"", b", two", b", three"]), b"one, two, three"),
    ] {
        let (bytes, _reservation) = receive(body, LIMITS, &budget).await.unwrap();
        assert_eq!(bytes, expected);
    }
}

#[tokio::test]
async fn one_piece_is_not_copied() {
    let sent = Bytes::from(vec![b'x'; 1000]);
    let (received, _reservation) =
        receive(Body::from(sent.clone()), LIMITS, &Budget::new(1_000_000)).await.unwrap();
    assert_eq!(received.as_ptr(), sent.as_ptr());
}

#[tokio::test]
async fn the_budget_is_given_back_whatever_happens() {
    let budget = Budget::new(10_000);
    let (_, kept) = receive(Body::from(vec![0; 5_000]), LIMITS, &budget).await.unwrap();
    let refused = receive(Body::from(vec![0; 5_000]), LIMITS, &budget).await.unwrap_err();
    assert_eq!(refused.code, "overloaded");
    let endless =
        futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 99])));
    let refused = receive(Body::from_stream(endless), LIMITS, &budget).await.unwrap_err();
    assert_eq!(refused.code, "overloaded");
    drop(kept);
    assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    receive(Body::from(vec![0; 5_000]), LIMITS, &budget).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_body_must_keep_a_pace() {
    let drip = |bytes: usize| {
        let ticks = tokio::time::interval(Duration::from_secs(1));
        Body::from_stream(futures::stream::unfold(ticks, move |mut ticks| async move {
            ticks.tick().await;
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![0; bytes])), ticks))
        }))
    };
    let budget = Budget::new(1_000_000);
    let began = Instant::now();
    let slow = receive(drip(10), LIMITS, &budget).await.unwrap_err();
    assert_eq!(slow.code, "too_slow");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    // Fast enough for the pace, but not done when patience ends.
    let long = receive(drip(2_000), LIMITS, &budget).await.unwrap_err();
    assert_eq!(long.code, "too_slow");
    assert!(began.elapsed() >= Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn all_bodies_together_hold_no_more_than_the_budget_however_they_come() {
    let budget = Budget::new(1_000_000);
    let most = Arc::new(AtomicUsize::new(0));
    let senders = (0..20).map(|_| {
        let (seen, most) = (budget.clone(), most.clone());
        // All come at the same pace, so that none is done before the others.
        let pieces = futures::stream::iter(0..100).then(move |_| {
            most.fetch_max(seen.held.load(Ordering::Relaxed), Ordering::Relaxed);
            tokio::task::yield_now()
        });
        let pieces = pieces.map(|()| Ok::<_, std::io::Error>(Bytes::from(vec![0; 1_000])));
        receive(Body::from_stream(pieces), LIMITS, &budget)
    });
    let received = futures::future::join_all(senders).await;
    let (done, refused): (Vec<_>, Vec<_>) = received.into_iter().partition(Result::is_ok);
    assert!(!done.is_empty() && !refused.is_empty(), "{} and {}", done.len(), refused.len());
    assert!(refused.into_iter().all(|refused| refused.unwrap_err().code == "overloaded"));
    assert!(most.load(Ordering::Relaxed) <= 1_000_000, "{most:?}");
}
