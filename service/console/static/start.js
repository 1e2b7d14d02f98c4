// Scripts come once the page has been seen: what is shown needs none of them.
"use strict";

document.documentElement.classList.add("scripted");
// The first frame is begun by then, and the second one when it has been drawn.
addEventListener("load", () => requestAnimationFrame(() => requestAnimationFrame(() => {
  for (const link of document.querySelectorAll("link[rel=preload][as=script]")) {
    const script = document.createElement("script");
    script.src = link.href;
    script.async = false;
    document.head.append(script);
  }
})));
