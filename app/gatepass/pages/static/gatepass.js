// What forms and links cannot do: put a value on the clipboard. Everything else on these pages works without a script.
"use strict";

function makeCopyable(root) {
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

async function copy(button) {
  const said = button.parentElement.querySelector("[role=status]");
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say(button, said, "Copied");
  } catch {
    const range = document.createRange();
    range.selectNodeContents(button.parentElement.querySelector("code"));
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    say(button, said, "Marked: press Ctrl-C");
  }
}

function say(button, said, words) {
  said.textContent = words;
  button.classList.add("done");
  button.dataset.said = words;
  setTimeout(() => {
    button.classList.remove("done");
    said.textContent = "";
  }, 2000);
}

makeCopyable(document);
document.addEventListener("htmx:after:swap", () => makeCopyable(document));
