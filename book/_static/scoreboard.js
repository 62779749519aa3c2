// The scoreboard: which claims are shown.  Without this script all of them are.
(() => {
  'use strict';
  const CHOICES = [
    ['headline', 'claims', [['yes', 'headline claims'], ['', 'all claims']]],
    ['paper', 'paper', null],
    ['verdicts', 'verdict', [['', 'any'], ['holds', 'holds'], ['fails', 'does not hold'], ['undecided', 'not decided'], ['not-run', 'not run']]],
    ['whose', 'whose', [['', 'any'], ['published', 'published'], ['own', 'this book’s']]],
    ['marks', 'made as', [['', 'any'], ['replication', 'replication'], ['reduced', 'reduced'], ['analogue', 'analogue'], ['exact', 'exact']]],
  ];
  addEventListener('DOMContentLoaded', () => {
    const place = document.getElementById('choice'), rows = [...document.querySelectorAll('table.board tr[data-paper]')];
    if (!place || !rows.length) return;
    const chosen = {headline: 'yes'};
    const form = document.createElement('form'), count = document.createElement('p');
    form.className = 'filters';
    form.addEventListener('submit', event => event.preventDefault());
    const label = document.createElement('label'), words = document.createElement('input');
    words.type = 'search';
    words.placeholder = 'words of a claim, or its id';
    label.append('Find ', words);
    form.append(label);
    count.setAttribute('role', 'status');

    for (const [key, name, given] of CHOICES) {
      const papers = [...new Set(rows.map(row => row.dataset.paper))];
      const options = given || [['', 'any'], ...papers.map(paper => [paper, title(paper)])];
      const set = document.createElement('fieldset'), legend = document.createElement('legend');
      legend.textContent = name;
      set.append(legend);
      for (const [value, text] of options) {
        const chip = document.createElement('label'), radio = document.createElement('input');
        radio.type = 'radio';
        radio.name = key;
        radio.value = value;
        radio.checked = (chosen[key] ?? '') === value;
        radio.addEventListener('change', () => {
          chosen[key] = value;
          show();
        });
        chip.append(radio, text);
        set.append(chip);
      }
      form.append(set);
    }
    words.addEventListener('input', show);
    place.append(form, count);

    function title(paper) {
      const row = rows.find(r => r.dataset.paper === paper);
      const heading = row.closest('section')?.querySelector('h2, h3, h4');
      return heading ? heading.firstChild.textContent.trim() || heading.textContent.replace('#', '').trim() : paper;
    }

    function show() {
      const asked = words.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of rows) {
        const text = `${row.id} ${row.textContent}`.toLowerCase();
        const fits = Object.entries(chosen).every(([key, value]) => !value || row.dataset[key].split(' ').includes(value) || row.dataset[key] === value);
        row.hidden = !(fits && asked.every(word => text.includes(word)));
        shown += !row.hidden;
      }
      for (const box of document.querySelectorAll('.scroll:has(table.board)')) box.hidden = !box.querySelector('tr[data-paper]:not([hidden])');
      for (const section of document.querySelectorAll('section:has(> .scroll table.board)')) {
        section.hidden = ![...section.querySelectorAll('table.board tr[data-paper]')].some(row => !row.hidden);
      }
      count.textContent = `${shown} of ${rows.length} claims`;
      dispatchEvent(new Event('resize'));
    }

    function reveal() {  // a link to a claim shows it, whatever was chosen
      const row = rows.find(r => r.id === decodeURIComponent(location.hash.slice(1)));
      if (!row) return;
      if (row.hidden) {
        for (const key of Object.keys(chosen)) chosen[key] = '';
        for (const radio of form.querySelectorAll('input[value=""]')) radio.checked = true;
        words.value = '';
        show();
      }
      row.querySelector('details').open = true;
      row.scrollIntoView({block: 'center'});
    }
    addEventListener('hashchange', reveal);
    show();
    reveal();
  });
})();
