// How long a QR code is still good, told second by second. Without a script the page says until when.
"use strict";

function countDown(root) {
  for (const clock of root.querySelectorAll(".countdown[data-seconds][hidden]")) {
    const end = performance.now() + Number(clock.dataset.seconds) * 1000;
    const tick = () => {
      const left = Math.max(0, Math.round((end - performance.now()) / 1000));
      clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")} left`;
      if (left === 0 || !clock.isConnected) clearInterval(timer);
    };
    const timer = setInterval(tick, 1000);
    clock.hidden = false;
    tick();
  }
}

// The button that was pressed is gone once its answer stands in its place: go on from there, not from the page's top.
function keepPlace() {
  const panel = document.getElementById("qr");
  if (panel && document.activeElement === document.body) panel.focus({ preventScroll: true });
}

countDown(document);
document.addEventListener("htmx:after:swap", () => {
  countDown(document);
  keepPlace();
});
