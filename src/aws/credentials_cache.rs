//! A cache of credentials. They are read once, and again when they have changed or expire soon.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{Credentials, CredentialsError, Environment};

/// Source of credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CredentialsSource {
    /// The environment of this process, and the profile files that it names.
    #[default]
    Process,
    /// Another environment, and the profile files that it names.
    Environment(Environment),
    /// These credentials, which do not change.
    Fixed(Credentials),
}

/// Shortest interval between two checks of the files, and between two renewals after the service said that
/// the credentials have expired.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);

/// Credentials that expire within this time are replaced ahead. The SDKs use 10 s to 5 min. Credentials that
/// last for minutes must not be replaced all the time.
const EXPIRY_MARGIN: Duration = Duration::from_secs(60);

/// Keeps credentials up to date. Reading takes little time on the bridge's thread: it reads two small files,
/// and AWS's provider chain does not block.
#[derive(Debug)]
pub struct CredentialsCache {
    source: CredentialsSource,
    cached: Mutex<CacheEntry>,
    loading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct CacheEntry {
    credentials: Option<Arc<Credentials>>,
    /// The files that may hold credentials, each with its modification time at the last lookup.
    files: Vec<(PathBuf, Option<SystemTime>)>,
    checked_at: Option<Instant>,
    /// When credentials were last looked up, with or without success.
    loaded_at: Option<Instant>,
}

impl CredentialsCache {
    /// Creates an empty cache.
    pub fn new(source: CredentialsSource) -> Self {
        CredentialsCache {
            source,
            cached: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
        }
    }

    /// Returns the current credentials. They are looked up if there are none, replaced if they expire soon,
    /// and read again if their files have changed. If that fails, cached ones that have not expired are used.
    ///
    /// # Errors
    /// If there are none that have not expired.
    pub async fn current(&self) -> Result<Arc<Credentials>, CredentialsError> {
        let (cached, is_fresh) = self.cached();
        match cached {
            Some(cached) if is_fresh => Ok(cached),
            cached => self.load(cached.as_ref()).await,
        }
    }

    /// Returns the credentials that were found last, if any were.
    pub fn last(&self) -> Option<Arc<Credentials>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner).credentials.clone()
    }

    /// Returns other credentials than `expired`, which have expired according to the service. None if there
    /// are no others.
    pub async fn renew(&self, expired: &Arc<Credentials>) -> Option<Arc<Credentials>> {
        let is_other = |cached: &Arc<Credentials>| cached != expired;
        let waits = {
            let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(other) = cached.credentials.as_ref().filter(|cached| is_other(cached)) {
                return Some(Arc::clone(other));
            }
            cached.checked_at.is_some_and(|checked_at| checked_at.elapsed() < REFRESH_INTERVAL)
        };
        // Whoever refused these credentials was asked just now. A run that starts with old ones begins this
        // way.
        if waits {
            tokio::time::sleep(REFRESH_INTERVAL / 10).await;
        }
        self.load(Some(expired)).await.ok().filter(is_other)
    }

    /// Returns the cached credentials, and whether they need no check.
    fn cached(&self) -> (Option<Arc<Credentials>>, bool) {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(credentials) = cached.credentials.clone() else { return (None, false) };
        if cached.checked_at.is_some_and(|checked_at| checked_at.elapsed() < REFRESH_INTERVAL) {
            return (Some(credentials), true);
        }
        cached.checked_at = Some(Instant::now());
        let ahead = SystemTime::now() + EXPIRY_MARGIN;
        let ends_soon = credentials.expires.is_some_and(|end| end <= ahead);
        let has_changed = cached.files.iter().any(|(file, was)| modified(file) != *was);
        (Some(credentials), !ends_soon && !has_changed)
    }

    /// Looks up credentials, unless another caller has done so while this one waited.
    async fn load(
        &self,
        before: Option<&Arc<Credentials>>,
    ) -> Result<Arc<Credentials>, CredentialsError> {
        let _one = self.loading.lock().await;
        {
            let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = cached
                .loaded_at
                .is_some_and(|loaded_at| loaded_at.elapsed() < REFRESH_INTERVAL / 10);
            let others = |cached: &&Arc<Credentials>| is_new || Some(*cached) != before;
            if let Some(cached) = cached.credentials.as_ref().filter(others) {
                return Ok(Arc::clone(cached));
            }
            cached.loaded_at = Some(Instant::now());
        }
        let environment = match &self.source {
            CredentialsSource::Process => Environment::of_process(),
            CredentialsSource::Environment(environment) => environment.clone(),
            CredentialsSource::Fixed(fixed) => {
                let fixed = Arc::new(fixed.clone());
                self.store(&fixed, Vec::new());
                return Ok(fixed);
            }
        };
        let files = [environment.credentials_file(), environment.config_file()];
        let files = files.into_iter().flatten().map(|file| (modified(&file), file));
        let files = files.map(|(modified, file)| (file, modified)).collect();
        match found(&environment).await {
            Ok(found) => {
                let found = Arc::new(found);
                self.store(&found, files);
                Ok(found)
            }
            // The file may be being written.
            Err(error) => match before.filter(|before| lasts(before)) {
                Some(before) => {
                    tracing::warn!(
                        "the credentials cannot be read again, and stay as they are: {error}"
                    );
                    Ok(Arc::clone(before))
                }
                None => Err(error),
            },
        }
    }

    fn store(&self, credentials: &Arc<Credentials>, files: Vec<(PathBuf, Option<SystemTime>)>) {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        cached.credentials = Some(Arc::clone(credentials));
        (cached.files, cached.checked_at) = (files, Some(Instant::now()));
        cached.loaded_at = cached.checked_at;
    }
}

fn lasts(credentials: &Credentials) -> bool {
    credentials.expires.is_none_or(|end| end > SystemTime::now())
}

fn modified(file: &std::path::Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|file| file.modified()).ok()
}

#[cfg(not(feature = "aws-config"))]
async fn found(environment: &Environment) -> Result<Credentials, CredentialsError> {
    Credentials::find(environment, SystemTime::now())
}

/// Finds credentials in this crate in the same order as AWS's provider chain, which is asked if there are
/// none.
#[cfg(feature = "aws-config")]
async fn found(environment: &Environment) -> Result<Credentials, CredentialsError> {
    use CredentialsError::{NeedsChain, NoProfile, None};
    match Credentials::find(environment, SystemTime::now()) {
        Err(error @ (None { .. } | NoProfile { .. } | NeedsChain { .. })) => {
            super::provider_chain::credentials(environment, error)
                .await?
                .must_last(SystemTime::now())
        }
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &std::path::Path, key: &str) {
        let text = format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = B\n");
        std::fs::write(file, text).unwrap();
    }

    /// A cache of a file with old keys.
    fn cache_of(folder: &std::path::Path) -> (PathBuf, CredentialsCache) {
        let file = folder.join("credentials");
        write(&file, "OLD");
        let name = file.to_str().unwrap();
        let environment = Environment::of([("AWS_SHARED_CREDENTIALS_FILE", name)]);
        (file, CredentialsCache::new(CredentialsSource::Environment(environment)))
    }

    #[tokio::test]
    async fn rotated_keys_are_used_when_the_service_says_that_the_old_ones_have_expired() {
        let folder = tempfile::tempdir().unwrap();
        let (file, cache) = cache_of(folder.path());
        let old = cache.current().await.unwrap();
        assert_eq!(old.access_key_id, "OLD");
        assert_eq!(cache.renew(&old).await, None, "there are no others");
        write(&file, "NEW");
        let new = cache.renew(&old).await.unwrap();
        assert_eq!(new.access_key_id, "NEW");
        assert_eq!(
            cache.renew(&old).await,
            Some(new.clone()),
            "another request's new keys are used"
        );
        std::fs::write(&file, "[default]\naws_access_key_id = HALF\n").unwrap();
        assert_eq!(cache.renew(&new).await, None, "an incomplete file changes nothing");
        assert_eq!(cache.current().await.unwrap(), new);
    }

    #[tokio::test]
    async fn a_changed_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (file, cache) = cache_of(folder.path());
        assert_eq!(cache.current().await.unwrap().access_key_id, "OLD");
        write(&file, "NEW");
        let later = SystemTime::now() + Duration::from_secs(5);
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
        let began = Instant::now();
        while cache.current().await.unwrap().access_key_id != "NEW" {
            assert!(began.elapsed() < Duration::from_secs(30), "the file was not read again");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn missing_credentials_are_an_error() {
        let cache = CredentialsCache::new(CredentialsSource::Environment(Environment::of([])));
        let error = cache.current().await.unwrap_err().to_string();
        assert!(error.contains("HOME is not set"), "{error}");
    }
}
