//! The raw rate of Doorward's hashing pool, without a server: `pool SECONDS [CLIENTS]` prints JSON.

use std::time::{Duration, Instant};

use doorward::password::{HashParameters, HashingPool, Password, PoolSettings};
use futures_util::future::join_all;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let seconds: f64 = arguments.next().unwrap_or("3".to_owned()).parse()?;
    let clients: usize = arguments.next().unwrap_or("16".to_owned()).parse()?;
    let pool = HashingPool::start(PoolSettings::new(HashParameters::default()))?;
    let password = Password::new("correct horse battery staple".to_owned())?;
    let stored = doorward::hash_password(&pool, &password).await?;
    for _ in 0..4 {
        doorward::verify_password(&pool, &password, Some(&stored)).await?;
    }
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(seconds);
    let hashes = join_all((0..clients).map(async |_| -> Result<usize, Failure> {
        let mut hashes = 0;
        while Instant::now() < end {
            let verification = doorward::verify_password(&pool, &password, Some(&stored)).await?;
            assert!(verification.matches);
            hashes += 1;
        }
        Ok(hashes)
    }))
    .await
    .into_iter()
    .sum::<Result<usize, Failure>>()?;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({ "hashes": hashes, "seconds": seconds, "rate": hashes as f64 / seconds,
            "workers": pool.statistics().workers })
    );
    Ok(())
}
