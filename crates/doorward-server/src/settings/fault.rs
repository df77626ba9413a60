//! What is wrong with a setting, in one line.

use std::fmt;

use super::raw::Source;

/// A setting that will not do. Never repeats a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFault {
    /// Which setting.
    pub setting: String,
    /// Where its value came from.
    pub source: Source,
    /// What is wrong, as the end of a sentence that begins with the setting's name.
    pub problem: String,
    /// What would do.
    pub remedy: String,
}

impl fmt::Display for SettingFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (from {}) {}; {}", self.setting, self.source, self.problem, self.remedy)
    }
}

/// Everything that is wrong with the settings: a line a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFaults(pub Vec<SettingFault>);

impl fmt::Display for SettingFaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            fault.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingFaults {}
