// Scripts come once the page has been seen: what is shown needs none of them.
"use strict";

document.documentElement.classList.add("scripted");
addEventListener("load", () => requestAnimationFrame(() => setTimeout(() => {
  for (const link of document.querySelectorAll("link[rel=preload][as=script]")) {
    const script = document.createElement("script");
    script.src = link.href;
    script.async = false;
    document.head.append(script);
  }
})));
