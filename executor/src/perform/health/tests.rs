use serde_json::json;

use super::*;

fn answer(kind: &str, result: &Value) -> Value {
    json!({ "status": "success", "data": { "resultType": kind, "result": result } })
}

#[test]
fn a_prometheus_answers_with_a_number_or_with_one_for_each_series() {
    let scalar = answer("scalar", &json!([1_700_000_000.0, "0.25"]));
    assert_eq!(values(&scalar), Ok(vec![0.25]));
    let series =
        |value: &str| json!({ "metric": { "job": "a" }, "value": [1_700_000_000.0, value] });
    let vector = answer("vector", &json!([series("1"), series("+Inf")]));
    assert_eq!(values(&vector), Ok(vec![1.0, f64::INFINITY]));
    assert_eq!(values(&answer("vector", &json!([]))), Ok(Vec::new()));
}

#[test]
fn what_is_no_answer_says_why() {
    let refused = json!({ "status": "error", "error": "parse error at char 3" });
    assert_eq!(values(&refused), Err("cannot be evaluated: parse error at char 3".to_owned()));
    let range = answer("matrix", &json!([]));
    assert!(values(&range).unwrap_err().contains("matrix"));
    assert!(values(&answer("scalar", &json!([0, "many"]))).unwrap_err().contains("not a number"));
}

#[test]
fn every_value_must_be_within_the_bounds_and_no_value_is_not() {
    assert_eq!(within(&[0.0, 0.5], None, Some(0.5)), Ok(()));
    assert_eq!(within(&[1.0], Some(1.0), None), Ok(()));
    let fault = |values: &[f64], min, max| within(values, min, max).unwrap_err();
    assert_eq!(fault(&[], None, Some(1.0)), "gives no value");
    assert_eq!(fault(&[f64::NAN], None, Some(1.0)), "is NaN, and must be at most 1");
    assert_eq!(
        fault(&[0.0, 2.0, 3.0, 4.0, 5.0, 6.0], Some(1.0), Some(1.5)),
        "is 0, 2, 3 and 3 more, and must be at least 1 and at most 1.5"
    );
}
