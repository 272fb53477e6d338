// What pages do beyond HTML. Without it everything still works.
"use strict";

// Escape hides what is shown beside a fact until another is pointed at (WCAG 2.2, 1.4.13).
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    document.documentElement.classList.add("facts-hidden");
  }
});
for (const type of ["focusin", "pointerover"]) {
  document.addEventListener(type, (event) => {
    if (event.target instanceof Element && event.target.closest(".fact")) {
      document.documentElement.classList.remove("facts-hidden");
    }
  });
}

// A button copies the code that it stands under.
for (const button of document.querySelectorAll("button.copy")) {
  const code = button.closest(".code")?.querySelector("code");
  if (!code || !navigator.clipboard) {
    continue;
  }
  button.hidden = false;
  const label = button.querySelector("span");
  const words = label.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    label.textContent = button.dataset.done;
    setTimeout(() => { label.textContent = words; }, 2000);
  });
}
