//! The window's tab: what a person sees and presses on ceremony pages.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use thirtyfour::By;

use super::Browser;
use crate::wait;

/// What a ceremony's page showed before its button was pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `register`, `sign-in` or `touch`.
    pub kind: String,
    /// The matching code, or the words of a touch.
    pub code: String,
    /// What the device is called.
    pub device: String,
    /// Whose it is.
    pub owner: String,
    /// Where it was seen.
    pub source: String,
}

/// Where a tab stands.
enum Stands {
    /// Something is still going on.
    Busy,
    /// A ceremony with this id waits for its button.
    Waits(String),
    /// The page says that something went wrong; the ceremony of this id may be tried again, if there is one.
    Problem(String, Option<String>),
    /// The ceremonies are over.
    Over,
}

impl Browser {
    /// Opens an address in the tab.
    ///
    /// # Errors
    /// When it does not load.
    pub fn open(&self, address: &str) -> Result<()> {
        let address = address.to_owned();
        self.with(async move |driver| driver.goto(address).await)
    }

    /// The address of the tab.
    ///
    /// # Errors
    /// When the browser is gone.
    pub fn address(&self) -> Result<String> {
        self.with(async move |driver| driver.current_url().await)
            .map(|address| address.to_string())
    }

    /// The text of the first element that `selector` (CSS) finds.
    ///
    /// # Errors
    /// When there is none.
    pub fn text(&self, selector: &str) -> Result<String> {
        let selector = selector.to_owned();
        self.with(async move |driver| driver.find(By::Css(selector)).await?.text().await)
    }

    /// Puts text into the field of a page that wants the terminal's code.
    ///
    /// # Errors
    /// When there is no such field within `bound`.
    pub fn type_code(&self, code: &str, bound: Duration) -> Result<()> {
        wait::until("a field for a code", bound, || {
            let there = self.script("return document.getElementById('typed') !== null")?;
            Ok((there == Value::Bool(true)).then_some(()))
        })?;
        let code = code.to_owned();
        self.with(async move |driver| driver.find(By::Id("typed")).await?.send_keys(code).await)
    }

    /// Runs a script in the page and returns what it returns.
    ///
    /// # Errors
    /// When it throws.
    pub fn script(&self, script: &str) -> Result<Value> {
        let script = script.to_owned();
        self.with(async move |driver| {
            driver
                .execute(script, Vec::new())
                .await
                .map(|result| result.json().clone())
        })
    }

    /// Presses the button of a ceremony's page once it can be pressed.
    ///
    /// # Errors
    /// When it cannot be within `bound`.
    pub fn press(&self, bound: Duration) -> Result<Seen> {
        let id = wait::until("a ceremony's button", bound, || match self.stands()? {
            Stands::Waits(id) | Stands::Problem(_, Some(id)) => Ok(Some(id)),
            Stands::Problem(text, None) => bail!("the page says: {text}"),
            Stands::Busy | Stands::Over => Ok(None),
        })?;
        self.press_now(&id)
    }

    /// Presses the button of each ceremony that the tab is led to, until the agent's page or a last word is shown.
    ///
    /// # Errors
    /// When a page shows a problem, or it is not over within `bound`.
    pub fn press_through(&self, bound: Duration) -> Result<Vec<Seen>> {
        let mut pressed: Vec<(String, Seen)> = Vec::new();
        wait::until("the end of the ceremonies", bound, || {
            match self.stands()? {
                Stands::Over => return Ok(Some(())),
                Stands::Problem(text, _) => bail!("the page says: {text}"),
                Stands::Waits(id) if pressed.iter().all(|(known, _)| *known != id) => {
                    let seen = self.press_now(&id)?;
                    pressed.push((id, seen));
                }
                Stands::Busy | Stands::Waits(_) => {}
            }
            Ok(None)
        })?;
        Ok(pressed.into_iter().map(|(_, seen)| seen).collect())
    }

    fn stands(&self) -> Result<Stands> {
        let address = self.address()?;
        if address.starts_with("http://127.0.0.1:") {
            return Ok(Stands::Over);
        }
        // One script, so that the page cannot change between two questions.
        let state = self.script(
            "const status = document.getElementById('status');
             const button = document.getElementById('go');
             const text = status ? status.textContent : '';
             return {
               problem: status && status.className === 'problem' ? text : '',
               over: text.includes('close this tab'),
               waits: button && !button.disabled && !button.hidden
                 ? document.body.dataset.ceremony : '',
             };",
        )?;
        let text = |name: &str| member(&state, name);
        let id = Some(text("waits")).filter(|id| !id.is_empty());
        if !text("problem").is_empty() {
            return Ok(Stands::Problem(text("problem"), id));
        }
        if state.get("over") == Some(&Value::Bool(true)) {
            return Ok(Stands::Over);
        }
        Ok(id.map_or(Stands::Busy, Stands::Waits))
    }

    /// Reads the page of ceremony `id`, and presses its button as a person does: by the pointer.
    fn press_now(&self, id: &str) -> Result<Seen> {
        let shown = self.script(
            "const text = (id) => (document.getElementById(id) || { textContent: '' }).textContent;
             return {
               id: document.body.dataset.ceremony, kind: document.body.dataset.kind,
               code: text('code'), device: text('device'), owner: text('owner'), source: text('source'),
             };",
        )?;
        let text = |name: &str| member(&shown, name);
        if text("id") != id {
            bail!("the tab went to another page while it was looked at");
        }
        self.with(async move |driver| driver.find(By::Id("go")).await?.click().await)?;
        Ok(Seen {
            kind: text("kind"),
            code: text("code"),
            device: text("device"),
            owner: text("owner"),
            source: text("source"),
        })
    }
}

fn member(object: &Value, name: &str) -> String {
    let text = object.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
