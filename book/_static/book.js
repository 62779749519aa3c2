// What is wider than its column scrolls, and the keyboard reaches it.
(() => {
  'use strict';
  const WIDE = '.scroll, div.math, .highlight pre, .output pre, .bd-toc, .sidebar-scrollbar';
  const reach = () => {  // measured first, then marked: every mark would have the page laid out anew
    const found = [...document.querySelectorAll(WIDE)].map(box => [box, box.scrollWidth > box.clientWidth
      || (box.scrollHeight > box.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(box).overflowY)),
      box.scrollWidth > box.clientWidth + box.scrollLeft + 2]);
    for (const [box, wide, cut] of found) {
      if (wide) box.tabIndex = 0;
      box.classList.toggle('cut', cut);
    }
  };
  addEventListener('load', reach);
  document.fonts.ready.then(reach);  // a formula is as wide as its font makes it
  addEventListener('resize', reach);
  addEventListener('scroll', event => event.target.matches?.('.scroll, div.math') && reach(), true);
})();
