// One ceremony: ask for the options, hand them to the passkey, send its answer, go where the gateway says.
"use strict";

(() => {
  const { ceremony, kind } = document.body.dataset;
  const path = `/ceremony/${ceremony}`;
  const button = document.getElementById("go");
  const status = document.getElementById("status");
  // Where the terminal is on another machine, its code is typed here.
  const typed = document.getElementById("typed");
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  const say = (text, kind = "") => {
    status.textContent = text;
    status.className = kind;
  };

  const end = (text, kind) => {
    button.hidden = true;
    say(text, kind);
  };

  class Refused extends Error {}

  const ask = async (address, body) => {
    const answer = await fetch(address, {
      method: body === undefined ? "GET" : "POST",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
    const content = await answer.json();
    if (!answer.ok) {
      throw new Refused(`${content.message}. To go on: ${content.repair}.`);
    }
    return content;
  };

  // Pages of this gateway and the agent's loopback port are the only places that a ceremony leads to.
  const leadsTo = (next) =>
    /^\/ceremony\/[0-9a-z]{26}$/.test(next) ||
    /^http:\/\/127\.0\.0\.1:[1-9][0-9]{0,4}\/callback\?code=[\w-]+&state=[\w-]+$/.test(next);

  const go = (next) => {
    if (!leadsTo(next)) {
      throw new Refused("The gateway names a place that this page does not go to.");
    }
    location.replace(next);
  };

  const follow = async (result) => {
    while (result.wait) {
      say("Done. Waiting for your terminal…", "done");
      await pause(400);
      result = await ask(`${path}/next`);
    }
    if (result.next) {
      say("Done. Going on…", "done");
      go(result.next);
    } else {
      end("Done. You can close this tab and go back to your terminal.", "done");
    }
  };

  const credential = async (options) => {
    if (kind === "register") {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
      return navigator.credentials.create({ publicKey });
    }
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return navigator.credentials.get({ publicKey });
  };

  const perform = async () => {
    if (typed && typed.value.trim() === "") {
      say("Type the code that the terminal shows.", "problem");
      typed.focus();
      return;
    }
    button.disabled = true;
    let answer;
    try {
      say("Waiting for your passkey…");
      const { publicKey } = await ask(`${path}/options`, typed ? { code: typed.value } : {});
      answer = await credential(publicKey);
    } catch (problem) {
      if (problem instanceof Refused) {
        end(problem.message, "problem");
        return;
      }
      // Nothing was sent, so the ceremony still waits.
      const text = problem.name === "InvalidStateError"
        ? "This passkey is registered already. Choose another one and try again."
        : "The passkey was not used. Try again, or run the command anew if this page is older than five minutes.";
      say(text, "problem");
      button.disabled = false;
      button.focus();
      return;
    }
    try {
      await follow(await ask(`${path}/answer`, answer.toJSON()));
    } catch (problem) {
      const text = problem instanceof Refused ? problem.message : "The gateway does not answer. Run the command again.";
      end(text, "problem");
    }
  };

  const asked = document.getElementById("asked");
  asked.textContent = new Date(Number(asked.dataset.ms)).toLocaleString();

  const usable = window.PublicKeyCredential && PublicKeyCredential.parseCreationOptionsFromJSON;
  if (!usable) {
    end("This browser is too old for passkeys. Use a current Chrome, Edge, Firefox or Safari.", "problem");
    return;
  }
  button.addEventListener("click", perform);
  button.disabled = false;
  if (typed) {
    typed.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !button.disabled) {
        perform();
      }
    });
    typed.focus();
  } else {
    button.focus();
  }
})();
