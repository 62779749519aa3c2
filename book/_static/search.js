// The search page: pages by how often and how prominently they have the words, each with the part that has them best.
(() => {
  'use strict';
  const stem = word => word.replace(/(?<=\w{3})(?:'s|es|s)$/, '');
  const words = text => text.toLowerCase().split(/[^\p{L}\p{N}_-]+/u).filter(Boolean).map(stem);
  const has = (list, term) => list.reduce((n, word) => n + (word === term || (term.length > 3 && word.startsWith(term))), 0);

  // Whether a heading has the terms in a row, as words of their own, the last one perhaps longer.
  const titled = (heading, terms) => ` ${heading.join(' ')} `.includes(` ${terms.join(' ')}`);

  function ranked(texts, query) {
    const terms = words(query), phrase = query.toLowerCase().trim(), pages = [], claims = [];
    if (!terms.length) return [];
    const all = texts.map(page => page.parts.map(part => ({...part, heading: words(part.t), body: words(part.x)})));
    const rare = terms.map(term => {
      const many = all.filter(parts => parts.some(p => has(p.heading, term) || has(p.body, term))).length;
      return Math.log(1 + texts.length / (1 + many));
    });
    texts.forEach((page, n) => {
      const parts = all[n].filter(part => part.k === 'part');
      let total = 0, complete = true, best = null;
      terms.forEach((term, i) => {
        const times = parts.reduce((sum, part) => sum + has(part.body, term) + 2 * has(part.heading, term), 0);
        complete &&= times > 0;
        total += rare[i] * Math.log(1 + times);
        total += has(parts[0]?.heading ?? [], term) ? 6 * rare[i] : 0;
      });
      for (const part of parts) {
        let score = part === parts[0] ? 0.5 : 0;
        terms.forEach((term, i) => {
          const times = has(part.body, term);
          score += rare[i] * ((has(part.heading, term) ? 4 : 0) + 2 * times / (times + 2));
        });
        if (titled(part.heading, terms)) score += 4;
        else if (terms.length > 1 && part.x.toLowerCase().includes(phrase)) score += 6;
        if (!best || score > best.score) best = {...part, score};
      }
      const first = parts[0];
      if (complete && best) {
        const exact = titled(words(first.t), terms) ? 6 : 0, study = page.p.startsWith('notebooks/') ? 1.5 : 0;
        const listing = /^(bibliography|statements)\./.test(page.p) ? 0.5 : 1;  // they name what others explain
        pages.push({page: page.p, title: first.t, part: best, score: listing * (total + best.score + exact + study)});
      }
      for (const part of all[n].filter(p => p.k === 'claim')) {
        const named = part.t.toLowerCase() === phrase ? 100 : 0;
        if (named || terms.every(term => has(part.body, term))) claims.push({page: page.p, title: `Claim ${part.t}`, part, score: named});
      }
    });
    const order = (a, b) => b.score - a.score;
    const named = claims.filter(claim => claim.score), others = claims.filter(claim => !claim.score).slice(0, 8);
    return [...named, ...pages.sort(order), ...others];
  }

  function snippet(text, query) {
    const low = text.toLowerCase(), whole = low.indexOf(query.toLowerCase().trim());
    const at = whole >= 0 ? whole : Math.max(0, ...words(query).map(term => low.indexOf(term)));
    const from = Math.max(0, low.lastIndexOf('. ', at) + 1, at - 110);
    return (from ? '… ' : '') + text.slice(from, from + 220).trim() + (from + 220 < text.length ? ' …' : '');
  }

  window.bookSearch = query => ranked(window.bookTexts || [], query);
  addEventListener('DOMContentLoaded', () => {
    const place = document.getElementById('search-results'), query = new URLSearchParams(location.search).get('q') || '';
    if (!place) return;
    document.querySelectorAll('input[name=q]').forEach(input => { input.value = query; });
    const found = window.bookSearch(query), list = document.createElement('ul'), count = document.createElement('p');
    count.setAttribute('role', 'status');
    count.textContent = !query ? '' : found.length ? `${found.length} results for “${query}”` : `Nothing has all the words of “${query}”.`;
    list.className = 'search';
    for (const {page, title, part} of found) {
      const item = document.createElement('li'), link = document.createElement('a'), text = document.createElement('p');
      link.href = part.a && part.t !== title ? `${page}#${part.a}` : page;
      link.textContent = part.t === title || part.k === 'claim' ? title : `${title}: ${part.t}`;
      text.textContent = snippet(part.x, query);
      item.append(link, text);
      list.append(item);
    }
    place.replaceChildren(count, list);
  });
})();
