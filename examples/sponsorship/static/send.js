// Sends the page's form, which holds all that it needs.
document.addEventListener("DOMContentLoaded", () => document.querySelector("form.handover").submit());
