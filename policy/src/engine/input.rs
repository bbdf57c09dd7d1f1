//! Facts as Cedar reads them: entities and a context.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Context, Entity, EntityUid, RestrictedExpression};

use super::Facts;
use super::schema::Vocabulary;
use crate::datetime;

/// Why Cedar could not even be asked. The answer is a denial, so nobody needs to know more.
#[derive(Debug)]
pub(super) struct Unaskable;

/// The user, first, and the user's groups.
pub(super) fn who(words: &Vocabulary, facts: &Facts) -> Result<Vec<Entity>, Unaskable> {
    let groups: HashSet<EntityUid> = facts
        .groups
        .iter()
        .map(|group| words.group(group))
        .collect();
    let id = RestrictedExpression::new_string(facts.user_id.to_string());
    let attributes = HashMap::from([("id".to_owned(), id)]);
    let user = Entity::new(words.user(facts.user.as_str()), attributes, groups.clone());
    let mut entities = vec![user.map_err(|_| Unaskable)?];
    entities.extend(
        groups
            .into_iter()
            .map(|group| Entity::new_no_attrs(group, HashSet::new())),
    );
    Ok(entities)
}

/// A resource of the schema, each of which has a name.
pub(super) fn named<const N: usize>(
    uid: EntityUid,
    name: &str,
    parents: [EntityUid; N],
) -> Result<Entity, Unaskable> {
    let attributes = HashMap::from([(
        "name".to_owned(),
        RestrictedExpression::new_string(name.to_owned()),
    )]);
    Entity::new(uid, attributes, HashSet::from(parents)).map_err(|_| Unaskable)
}

/// What is known beside who and what.
pub(super) fn context(facts: &Facts) -> Result<Context, Unaskable> {
    let record = |fields: Vec<(String, RestrictedExpression)>| {
        RestrictedExpression::new_record(fields).map_err(|_| Unaskable)
    };
    let age = i64::try_from(facts.sign_in_age.as_secs()).unwrap_or(i64::MAX);
    let device = vec![
        (
            "id".to_owned(),
            RestrictedExpression::new_string(facts.device.to_string()),
        ),
        (
            "tier".to_owned(),
            RestrictedExpression::new_long(facts.tier.number().into()),
        ),
    ];
    let sign_in = vec![("age_s".to_owned(), RestrictedExpression::new_long(age))];
    // An IPv4 address that came in over an IPv6 socket is still one to `isInRange`.
    let address = facts.source_address.to_canonical().to_string();
    Context::from_pairs([
        ("device".to_owned(), record(device)?),
        ("sign_in".to_owned(), record(sign_in)?),
        (
            "source_address".to_owned(),
            RestrictedExpression::new_ip(address),
        ),
        (
            "time".to_owned(),
            RestrictedExpression::new_datetime(datetime::rfc3339(facts.now)),
        ),
        (
            "touched".to_owned(),
            RestrictedExpression::new_bool(facts.touched),
        ),
    ])
    .map_err(|_| Unaskable)
}
