// Passkeys: what the pages for signing in need beyond HTML.
//
// A form with data-ceremony="login" signs in, "register" adds a passkey. A form with data-fresh
// asks for the passkey first and is then sent as it is. The words of errors that happen in the
// browser stand in the data attributes of #signin-words; others come from the server.
"use strict";

(() => {
  const words = document.getElementById("signin-words")?.dataset ?? {};

  const toBytes = (text) => {
    const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(plain, (c) => c.charCodeAt(0));
  };
  const toText = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const withBytes = (list) => (list ?? []).map((c) => ({ ...c, id: toBytes(c.id) }));

  // A failure with words for the reader.
  class Failure extends Error {
    constructor(title, detail) {
      super(title);
      this.detail = detail ?? "";
    }
  }

  const post = async (url, body) => {
    let response;
    try {
      response = await fetch(url, {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json", Accept: "application/json" },
        body: JSON.stringify(body ?? {}),
      });
    } catch {
      throw new Failure(words.offline, words.offlineFix);
    }
    let reply = {};
    try {
      reply = await response.json();
    } catch {
      // A proxy may answer with something else; the status decides.
    }
    if (response.ok) {
      return reply;
    }
    // Errors of these pages come in the page's language; those of the server around them do not.
    if (/^(directory|signin)\./.test(reply.code ?? "")) {
      throw new Failure(reply.title, reply.detail);
    }
    if (reply.code === "web.denied") {
      throw new Failure(words.expired, words.expiredFix);
    }
    throw new Failure(words.failed, words.failedFix);
  };

  const ask = async (call) => {
    if (!window.PublicKeyCredential || !navigator.credentials) {
      throw new Failure(words.unsupported, words.unsupportedFix);
    }
    try {
      return await call();
    } catch (error) {
      if (error.name === "InvalidStateError") {
        throw new Failure(words.known, words.knownFix);
      }
      if (error.name === "NotAllowedError" || error.name === "AbortError") {
        throw new Failure(words.cancelled, words.cancelledFix);
      }
      throw new Failure(words.unsupported, words.unsupportedFix);
    }
  };

  const login = async (next) => {
    const begun = await post("/sign-in/passkey/begin");
    const o = begun.options;
    const made = await ask(() =>
      navigator.credentials.get({
        publicKey: { ...o, challenge: toBytes(o.challenge), allowCredentials: withBytes(o.allowCredentials) },
      }),
    );
    return post("/sign-in/passkey/finish", {
      ceremony: begun.ceremony,
      next,
      credential: {
        id: made.id,
        rawId: toText(made.rawId),
        type: made.type,
        authenticatorAttachment: made.authenticatorAttachment ?? undefined,
        clientExtensionResults: {},
        response: {
          clientDataJSON: toText(made.response.clientDataJSON),
          authenticatorData: toText(made.response.authenticatorData),
          signature: toText(made.response.signature),
          userHandle: made.response.userHandle ? toText(made.response.userHandle) : "",
        },
      },
    });
  };

  const register = async (name) => {
    const begun = await post("/enrol/begin");
    const o = begun.options;
    const made = await ask(() =>
      navigator.credentials.create({
        publicKey: {
          ...o,
          challenge: toBytes(o.challenge),
          user: { ...o.user, id: toBytes(o.user.id) },
          excludeCredentials: withBytes(o.excludeCredentials),
        },
      }),
    );
    return post("/enrol/finish", {
      ceremony: begun.ceremony,
      name,
      credential: {
        id: made.id,
        rawId: toText(made.rawId),
        type: made.type,
        authenticatorAttachment: made.authenticatorAttachment ?? undefined,
        clientExtensionResults: {},
        response: {
          clientDataJSON: toText(made.response.clientDataJSON),
          attestationObject: toText(made.response.attestationObject),
          transports: made.response.getTransports?.() ?? [],
        },
      },
    });
  };

  // The place for errors stands before the form; screen readers say what appears there.
  const show = (form, failure) => {
    const place = document.getElementById("signin-problem");
    if (!place) {
      return;
    }
    place.hidden = !failure;
    const [title, detail] = place.querySelectorAll("p");
    title.textContent = failure ? failure.message : "";
    detail.textContent = failure ? failure.detail : "";
    if (failure) {
      place.scrollIntoView({ block: "nearest" });
      form.querySelector("button")?.focus();
    }
  };

  const busy = (form, on) => {
    for (const button of form.querySelectorAll("button")) {
      button.disabled = on;
    }
    form.setAttribute("aria-busy", String(on));
  };

  const run = async (form, work) => {
    show(form, null);
    busy(form, true);
    try {
      await work();
    } catch (error) {
      busy(form, false);
      show(form, error instanceof Failure ? error : new Failure(words.failed, words.failedFix));
    }
  };

  for (const form of document.querySelectorAll("form[data-ceremony]")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      run(form, async () => {
        if (form.dataset.ceremony === "login") {
          location.assign((await login(form.dataset.next)).next);
          return;
        }
        if (form.dataset.fresh === "ask" && (await login("/enrol")).changed) {
          location.assign("/account");
          return;
        }
        const done = await register(form.elements.namedItem("name").value);
        const codes = document.getElementById("signin-codes");
        if (codes) {
          codes.submit();
        } else {
          location.assign(done.next + "?done=passkey_added");
        }
      });
    });
  }

  for (const form of document.querySelectorAll('form[data-fresh="ask"]:not([data-ceremony])')) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.fresh !== "ask") {
        return;
      }
      event.preventDefault();
      run(form, async () => {
        if ((await login("/account")).changed) {
          location.assign("/account");
          return;
        }
        busy(form, false);
        for (const other of document.querySelectorAll("form[data-fresh]")) {
          other.dataset.fresh = "done";
        }
        form.submit();
      });
    });
  }

  for (const button of document.querySelectorAll("button[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
})();
