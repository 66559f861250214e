//! Who the API server takes this user for: what a Decision must say in `decidedBy`.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Api;
use kube::api::PostParams;

use crate::connect::Cluster;
use crate::error::CliError;

/// The user name.
pub async fn user(cluster: &Cluster) -> Result<String, CliError> {
    let doing = "asking the API server who you are";
    let api: Api<SelfSubjectReview> = Api::all(cluster.client.clone());
    let params = PostParams::default();
    let review = cluster.answer(doing, api.create(&params, &SelfSubjectReview::default())).await?;
    let review =
        review.map_err(|source| CliError::Request { doing: doing.to_owned(), source: Box::new(source) })?;
    let user = review.status.and_then(|status| status.user_info).and_then(|info| info.username);
    Ok(user.unwrap_or_default())
}
