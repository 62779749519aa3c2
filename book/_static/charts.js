// Charts: near the view each is its still picture, where that can be read, and is drawn when a pointer reaches it or its
// sliders are asked for; the others are drawn at once.  A drawn chart is fitted to its column, and anew where that changes.
(() => {
  'use strict';
  const HERE = document.currentScript.src, NEAR = '500px', TRIES = 8, LETTER = 6.4;
  const SMALLER = 0.9;  // of its size, to which a still picture may shrink
  const CLOSE = 1.06;  // of its column, to which a chart may be wide before it shrinks as a whole
  const OPTIONS = {renderer: 'svg', actions: false, mode: 'vega-lite'};
  const KEYED = ['color', 'fill', 'shape', 'strokeDash', 'size', 'opacity'];
  let loaded;

  function vega() {
    loaded ??= new Promise((resolve, reject) => {
      const script = document.createElement('script');
      script.src = HERE.replace(/charts\.js.*$/, 'vega.js');
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${script.src} cannot be loaded`));
      document.head.append(script);
    });
    return loaded;
  }

  // How much narrower the digits of Arial, for which charts are designed, are than those of the reader's font; at most 1.
  let digits;
  function narrower() {
    if (digits) return digits;
    const pen = document.createElement('canvas').getContext('2d');
    pen.font = '100px system-ui, -apple-system, "Segoe UI", sans-serif';
    return digits = Math.min(1, 55.6 / pen.measureText('0').width);
  }

  // Every view of a specification, with what holds it.
  function walk(node, see) {
    see(node);
    for (const key of ['layer', 'concat', 'hconcat', 'vconcat']) (node[key] || []).forEach(child => walk(child, see));
    if (node.spec) walk(node.spec, see);
  }

  const wrap = (text, width) => {
    if (typeof text !== 'string' || text.length * LETTER <= width) return text;
    const lines = [''];
    for (const word of text.split(' ')) {
      const last = lines[lines.length - 1];
      if (last && (last.length + word.length + 1) * LETTER > width) lines.push(word);
      else lines[lines.length - 1] = last ? `${last} ${word}` : word;
    }
    return lines;
  };

  function sizes(spec) {
    const found = [];
    walk(spec, node => typeof node.width === 'number' && found.push(node.width));
    return found;
  }

  function columnsOf(spec) {
    let most = 1;
    walk(spec, node => {
      if (node.hconcat) most = Math.max(most, node.hconcat.length);
      if (node.concat) most = Math.max(most, Math.min(node.columns ?? Infinity, node.concat.length));
      if (node.facet && node.columns) most = Math.max(most, node.columns);
    });
    return most;
  }

  // The specification with at most so many panels beside one another, its views narrowed by a factor.
  function fitted(given, room, columns, factor) {
    const spec = structuredClone(given), narrow = room < 520;
    walk(spec, node => {
      if (node.hconcat && node.hconcat.length > columns) {
        let labelled = false;
        walk(node.hconcat[0], inner => { labelled ||= !!inner.encoding?.y && (inner.encoding.y.axis?.labels ?? inner.encoding.y.axis) !== false && inner.encoding.y.axis !== null; });
        if (labelled) node.hconcat.forEach(child => walk(child, inner => {  // axes that only the first panel had
          const axis = inner.encoding?.y?.axis;
          if (axis && axis.labels === false) delete axis.labels;
        }));
        node.concat = node.hconcat;
        node.columns = columns;
        delete node.hconcat;
      } else if (node.concat || (node.facet && node.columns)) {
        node.columns = Math.min(node.columns ?? Infinity, columns);
      }
    });
    const scale = (node, square, width, height) => {
      const f = typeof node.width === 'number' || width ? factor : 1;
      const own = typeof node.width === 'number' ? node.width : width, tall = typeof node.height === 'number' ? node.height : height;
      const even = own && tall ? Math.abs(own / tall - 1) < 0.25 : square;
      if (typeof node.width === 'number') node.width = Math.max(60, Math.round(node.width * factor));
      if (even && typeof node.height === 'number') node.height = Math.max(60, Math.round(node.height * factor));
      const across = own ? Math.max(60, own * f) : room, down = tall ?? 200;
      for (const [name, channel] of Object.entries(node.encoding || {})) {
        const times = /^x/.test(name) ? f : /^y/.test(name) && even ? f : 1;
        if (typeof channel.value === 'number' && times !== 1 && /^[xy]2?$/.test(name)) channel.value *= times;
        const limit = name === 'x' ? across : name === 'y' ? down : Infinity;
        if (typeof channel.title === 'string') channel.title = wrap(channel.title, limit);
        if (typeof channel.axis?.title === 'string') channel.axis.title = wrap(channel.axis.title, limit);
        if (narrow && name === 'y' && channel.axis !== null && channel.axis?.labels !== false) {
          channel.axis = {...channel.axis, labelLimit: Math.min(channel.axis?.labelLimit ?? 130, 130)};
        }
        if (narrow && KEYED.includes(name) && channel.field && channel.legend !== null) {
          const legend = (channel.legend ??= {}), entries = channel.scale?.domain ?? [];
          legend.orient = 'bottom';
          if (channel.type === 'quantitative') {
            legend.gradientLength = Math.min(legend.gradientLength ?? 200, room - 60);
          } else {
            const widest = Math.max(8, ...entries.map(e => String(e).length)) * LETTER + 34;
            legend.columns = Math.max(1, Math.min(legend.columns || entries.length || 2, Math.floor(room / widest)));
            legend.labelLimit = room - 40;
          }
        }
      }
      if (node.mark?.type === 'text' && node.mark.fontSize) {  // numbers stay in their cells, and words in their boxes
        const size = node.mark.fontSize;
        node.mark.fontSize = Math.min(size, Math.max(size < 10 ? 6.5 : 10, size * f * narrower()));
      }
      const title = node.title;
      if (typeof title === 'string') node.title = wrap(title, across);
      else if (title?.text) {
        title.text = wrap(title.text, across * 0.9);
        if (title.subtitle) title.subtitle = wrap([title.subtitle].flat().join(' '), across * 1.1);
      }
      for (const key of ['layer', 'concat', 'hconcat', 'vconcat']) {
        (node[key] || []).forEach(child => scale(child, even, key === 'layer' ? own : undefined, key === 'layer' ? tall : undefined));
      }
      if (node.spec) scale(node.spec, even);
    };
    scale(spec, false);
    if (narrow) {
      const legend = {...spec.config?.legend, layout: {bottom: {anchor: 'start', direction: 'vertical', margin: 6}}};
      spec.config = {...spec.config, legend, axisX: {...spec.config?.axisX, labelSeparation: 6}};
    }
    return spec;
  }

  // How many panels stand side by side and how wide they are, so that the chart is no wider than its column.
  async function draw(chart) {
    const target = chart.querySelector('[id^=chart-]'), room = Math.floor(chart.clientWidth);
    if (!room || chart.drawing || (chart.result && Number(chart.dataset.room) === room)) return;
    chart.drawing = true;
    const given = (chart.given ??= JSON.parse(chart.querySelector('script').textContent));
    let columns = columnsOf(given), factor = 1, last = Infinity;
    let width = Number(chart.parentElement.querySelector('img.still')?.getAttribute('width'));  // as it would be drawn first
    for (let attempt = 0; attempt < TRIES; attempt++) {
      if (attempt || width <= room) {
        chart.result?.finalize();
        chart.result = await vegaEmbed(target, fitted(given, room, columns, factor), OPTIONS);
        width = Number(target.querySelector('svg.marks').getAttribute('width'));
        if (width <= room * CLOSE || (columns === 1 && width > last - 4)) break;  // narrower views no longer help
      }
      last = columns === 1 && attempt ? width : Infinity;
      const wide = Math.max(...sizes(given)) * factor * Math.max(1, Math.min(columns, 4));
      const less = Number.isFinite(wide) && wide > 0 ? factor * Math.max(0.5, (wide - (width - room) - 2) / wide) : 1;
      if (columns > 1 && less < 0.72) [columns, factor] = [Math.min(columns - 1, Math.max(1, Math.floor(columns * room / width))), 1];
      else if (factor > 0.3 && less < factor) factor = less;
      else break;
    }
    const svg = target.querySelector('svg.marks');
    if (width > room) {  // what is left over is drawn smaller as a whole
      svg.setAttribute('width', room);
      svg.setAttribute('height', Number(svg.getAttribute('height')) * room / width);
    }
    for (const mark of svg.querySelectorAll('[role=graphics-symbol]:not([aria-label])')) {  // a role without a name
      mark.removeAttribute('role');
      mark.removeAttribute('aria-roledescription');
    }
    controls(chart, given.usermeta?.controls || {});
    Object.assign(chart.dataset, {room, columns, factor: factor.toFixed(2), shrunk: Math.min(1, room / width).toFixed(2)});
    chart.parentElement.classList.remove('pictured');
    chart.drawing = false;
    if (Math.abs(Math.floor(chart.clientWidth) - room) > 24) await draw(chart);
  }

  const number = value => {
    const size = Math.abs(value);
    if (size && (size < 0.001 || size >= 1e6)) return value.toExponential(1).replace('e', ' · 10^').replace('^+', '^');
    return size >= 1000 ? Math.round(value).toLocaleString('en') : String(+value.toPrecision(3));
  };

  // What a slider says of its place: in the unit of its quantity, not of the slider.
  function read(control, value) {
    if (control.words) return control.words[Math.round(value)];
    return (control.base ? number(control.base ** value) : number(value)) + (control.unit ? ` ${control.unit}` : '');
  }

  function controls(chart, known) {
    const view = chart.result.view, form = chart.querySelector('form.vega-bindings');
    if (!form) return;
    if (known.hint) {
      const hint = document.createElement('p');
      hint.className = 'try';
      hint.textContent = known.hint;
      form.append(hint);
    }
    for (const input of form.querySelectorAll('input[type=range]')) {
      const control = known[input.name] || {}, raw = input.nextElementSibling;
      const said = document.createElement('output');
      if (raw && raw !== said) raw.hidden = true;
      input.after(said);
      const say = () => {
        said.textContent = read(control, view.signal(input.name));
        input.setAttribute('aria-valuetext', said.textContent);
      };
      view.addSignalListener(input.name, say);
      say();
    }
    for (const set of form.querySelectorAll('.vega-bind')) {
      const name = set.querySelector('.vega-bind-name'), field = set.querySelector('input');
      if (name && field && !field.labels?.length) field.setAttribute('aria-label', name.textContent);
      if (name && set.querySelector('.vega-bind-radio')) {
        set.setAttribute('role', 'radiogroup');
        set.setAttribute('aria-label', name.textContent);
      }
    }
  }

  const fail = (chart, error) => {
    chart.drawing = false;
    chart.querySelector('[id^=chart-]').textContent = `The chart cannot be drawn: ${error.message}`;
    console.error(error);
  };
  // Whether the still picture serves: in a column that is wide enough.
  async function pictured(chart) {
    const figure = chart.parentElement, still = figure.querySelector('img.still');
    if (!still || chart.result || still.getAttribute('width') * SMALLER > chart.clientWidth) return false;
    figure.classList.add('pictured');
    still.loading = 'eager';
    await still.decode().catch(() => {});
    const serves = still.naturalWidth > 0 && still.naturalWidth * SMALLER <= chart.clientWidth;
    figure.classList.toggle('pictured', serves);
    if (serves && !figure.querySelector('button.move') && /"bind":\{/.test(chart.querySelector('script').textContent)) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'move';
      button.textContent = /"input":"range"/.test(chart.querySelector('script').textContent) ? 'Show the sliders' : 'Show the choices';
      button.addEventListener('click', () => start(chart).then(() => chart.querySelector('form input')?.focus()));
      still.after(button);
    }
    return serves;
  }

  const start = chart => vega().then(() => draw(chart)).catch(error => fail(chart, error));
  window.bookCharts = {all: () => Promise.all([...document.querySelectorAll('.chart')].map(start))};

  addEventListener('DOMContentLoaded', () => {
    const charts = [...document.querySelectorAll('.chart')].filter(chart => chart.querySelector('script')), alone = charts.length === 1;
    const near = new IntersectionObserver(entries => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        near.unobserve(entry.target);
        if (alone) live(entry.target);
        else pictured(entry.target).then(still => still || live(entry.target));
      }
    }, {rootMargin: NEAR});
    const live = chart => start(chart).then(() => room.observe(chart));
    const anew = () => charts.filter(chart => !chart.result && chart.parentElement.matches('.pictured')).forEach(chart => near.observe(chart));
    const room = new ResizeObserver(entries => {
      for (const {target} of entries) {
        if (Math.abs(target.clientWidth - Number(target.dataset.room)) > 24) start(target);
      }
    });
    for (const chart of charts) {
      for (const event of ['pointerenter', 'pointerdown']) chart.parentElement.addEventListener(event, () => live(chart), {once: true});
      near.observe(chart);
    }
    addEventListener('resize', anew);
  });
})();
