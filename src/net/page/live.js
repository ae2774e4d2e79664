// The coordinator's page: asks for status.json, rounds.json and devices.json every two seconds, and draws them.
// Whatever comes from devices is put in as text (textContent), never as markup. Where Chart.js is not there, `Chart` is not defined, and the tables are all.
//
// Each canvas says in data-points how many points it shows, each table in data-rows its rows, the body in data-rounds how many rounds are known and in
// data-refreshed how often all was asked: for whoever looks with a program.
(function () {
  'use strict';

  var EVERY_MS = 2000, ROUNDS_MAX = 2048, ROUNDS_SHOWN = 20;
  var rounds = [], startedAt = null, devicesFrom = 0, charts = {};

  function byId(id) { return document.getElementById(id); }

  // ---- figures for people ----

  function known(value) { return value !== null && value !== undefined; }
  function fixed(value, digits) { return known(value) ? value.toFixed(digits) : '-'; }
  function count(value) { return known(value) ? String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ',') : '-'; }
  function bytes(value) {
    var units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'], unit = 0;
    if (!known(value)) return '-';
    while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
    return (unit ? value.toFixed(1) : value) + ' ' + units[unit];
  }
  function seconds(value) {
    if (!known(value)) return '-';
    if (value < 60) return value.toFixed(value < 10 ? 2 : 1) + ' s';
    var whole = Math.round(value), d = Math.floor(whole / 86400), h = Math.floor(whole / 3600) % 24, m = Math.floor(whole / 60) % 60;
    return d ? d + ' d ' + h + ' h' : h ? h + ' h ' + m + ' min' : m + ' min ' + (whole % 60) + ' s';
  }
  function moment(value) { return known(value) ? new Date(value * 1000).toLocaleString() : '-'; }

  // ---- elements ----

  function element(tag, text, name) {
    var made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  }
  // columns: [title, class, value of a row]
  function fillTable(id, columns, rows, nothing) {
    var table = byId(id), head = element('thead'), body = element('tbody'), titles = element('tr');
    columns.forEach(function (column) { titles.appendChild(element('th', column[0], column[1])); });
    head.appendChild(titles);
    rows.forEach(function (row) {
      var line = element('tr');
      columns.forEach(function (column) { line.appendChild(element('td', column[2](row), column[1])); });
      body.appendChild(line);
    });
    if (!rows.length) {
      var line = element('tr'), cell = element('td', nothing, 'nothing');
      cell.colSpan = columns.length;
      line.appendChild(cell);
      body.appendChild(line);
    }
    table.replaceChildren(head, body);
    table.dataset.rows = rows.length;
  }

  // ---- how it stands ----

  function showStatus(status) {
    byId('federation').textContent = document.title = status.federation;
    byId('state').textContent = status.state;
    byId('state').dataset.state = status.state;
    byId('lead').textContent = '\u00b7 recipe ' + status.recipe + ' \u00b7 since ' + moment(status.started_at_s);
    byId('why').hidden = !status.why;
    byId('why').textContent = status.why || '';
    byId('version').textContent = 'muster ' + status.version + ' \u00b7 up ' + seconds(status.uptime_s) + ' \u00b7 ' + bytes(status.process.memory_bytes) +
      ' of memory';
    var updates = status.updates;
    var facts = [
      [count(status.round) + ' / ' + count(status.rounds), 'rounds'],
      [fixed(status.accuracy, 4), 'accuracy' + (known(status.accuracy) ? ' after round ' + status.evaluated_round : '')],
      [fixed(status.loss, 4), 'loss'],
      [count(status.devices.present) + ' / ' + count(status.devices.numbers), 'devices there'],
      [count(status.devices.working), 'devices working'],
      [count(updates.merged), 'updates merged'],
      [count(updates.lost + updates.late + updates.refused + updates.discarded), 'lost, late, refused, discarded'],
      [seconds(status.time_s), 'time of the federation'],
      [bytes(status.network.bytes_down), 'to devices (planned ' + bytes(status.planned.bytes_down) + ')'],
      [bytes(status.network.bytes_up), 'from devices (planned ' + bytes(status.planned.bytes_up) + ')'],
      [bytes(status.training.peak_memory_bytes), 'most memory of a training']
    ];
    byId('facts').replaceChildren.apply(byId('facts'), facts.map(function (fact) {
      var box = element('div');
      box.append(element('b', fact[0]), element('span', fact[1]));
      return box;
    }));
    fillTable('tiers', [
      ['tier', 'words', function (t) { return t.name; }],
      ['working', '', function (t) { return count(t.working); }],
      ['idle', '', function (t) { return count(t.idle); }],
      ['absent', '', function (t) { return count(t.absent); }],
      ['accuracy', '', function (t) { return fixed(t.accuracy, 4); }]
    ], status.tiers, 'no tiers');
    fillTable('problems', [
      ['when', 'words', function (p) { return moment(p.at_s); }],
      ['round', '', function (p) { return count(p.round); }],
      ['device', '', function (p) { return p.device; }],
      ['what', 'words', function (p) { return p.what; }],
      ['reason', 'words long', function (p) { return p.reason; }]
    ], status.problems.slice(0, ROUNDS_SHOWN), 'nothing');
    fillTable('refusals', [
      ['when', 'words', function (p) { return moment(p.at_s); }],
      ['device', '', function (p) { return known(p.device) ? p.device : 'not known'; }],
      ['answer', '', function (p) { return p.status; }],
      ['code', 'words', function (p) { return p.code; }]
    ], status.refusals.slice(0, ROUNDS_SHOWN), 'none');
  }

  // ---- rounds ----

  function showRounds() {
    document.body.dataset.rounds = rounds.length;
    fillTable('rounds', [
      ['round', '', function (r) { return count(r.round); }],
      ['at', '', function (r) { return seconds(r.time_s); }],
      ['accuracy', '', function (r) { return fixed(r.accuracy, 4); }],
      ['loss', '', function (r) { return fixed(r.loss, 4); }],
      ['training loss', '', function (r) { return fixed(r.train_loss, 4); }],
      ['merged', '', function (r) { return count(r.merged) + ' of ' + count(r.selected); }],
      ['lost', '', function (r) { return count(r.lost); }],
      ['late', '', function (r) { return count(r.late); }],
      ['refused', '', function (r) { return count(r.refused + r.discarded); }],
      ['down', '', function (r) { return bytes(r.bytes_down); }],
      ['up', '', function (r) { return bytes(r.bytes_up); }]
    ], rounds.slice(-ROUNDS_SHOWN).reverse(), 'none yet');
    drawCharts();
  }

  // [label, value of a round, the one before it being given too]; what is null is left out
  function figure(name) { return function (round) { return round[name]; }; }
  var drawings = {
    'chart-accuracy': { type: 'line', lines: [['test set', figure('accuracy')], ['training', figure('train_accuracy')]], tiers: true },
    'chart-loss': { type: 'line', lines: [['test set', figure('loss')], ['training', figure('train_loss')]] },
    'chart-updates': { type: 'line', lines: [['merged', figure('merged')], ['lost', figure('lost')], ['late', figure('late')],
      ['refused, discarded', function (r) { return r.refused + r.discarded; }]] },
    'chart-seconds': { type: 'line', lines: [['from round to round', function (r, before) {
      return before && before.round + 1 === r.round ? r.time_s - before.time_s : null;
    }]] },
    'chart-bytes': { type: 'line', show: bytes, lines: [['to devices', figure('bytes_down')], ['from devices', figure('bytes_up')]] }
  };

  function points(value) {
    return rounds.map(function (round, i) { return { x: round.round, y: value(round, rounds[i - 1]) }; }).filter(function (point) { return known(point.y); });
  }
  function linesOf(drawing) {
    var lines = drawing.lines.slice(), last = rounds[rounds.length - 1];
    if (drawing.tiers && last)
      Object.keys(last.tier_accuracy).forEach(function (tier) { lines.push([tier, function (round) { return round.tier_accuracy[tier]; }]); });
    return lines;
  }
  function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function chartOf(id) {
    var show = drawings[id].show || function (value) { return String(+value.toPrecision(6)); };
    function ticks() { return { color: color('--quiet'), maxTicksLimit: 6 }; }
    var options = {
      animation: false, parsing: false, normalized: true, responsive: true, maintainAspectRatio: false,
      interaction: { mode: 'nearest', axis: 'x', intersect: false },
      elements: { point: { radius: 0, hitRadius: 8 }, line: { borderWidth: 1.6 } },
      scales: {
        x: { type: 'linear', title: { display: false }, grid: { color: color('--line') }, ticks: Object.assign(ticks(), { precision: 0 }) },
        y: { type: 'linear', beginAtZero: true, grid: { color: color('--line') }, ticks: Object.assign(ticks(), { callback: show }) }
      },
      plugins: {
        legend: { labels: { color: color('--ink'), boxWidth: 14, boxHeight: 2 } },
        tooltip: { callbacks: {
          title: function (items) { return items.length ? 'round ' + items[0].parsed.x : ''; },
          label: function (item) { return item.dataset.label + ': ' + show(item.parsed.y); }
        } }
      }
    };
    return new Chart(byId(id), { type: drawings[id].type, data: { datasets: [] }, options: options });
  }

  function drawCharts() {
    if (typeof Chart === 'undefined') return;
    Object.keys(drawings).forEach(function (id) {
      var shown = 0, chart = charts[id] || (charts[id] = chartOf(id));
      chart.data.datasets = linesOf(drawings[id]).map(function (line, i) {
        var data = points(line[1]), own = color('--color-' + (i % 6 + 1));
        shown += data.length;
        return { label: line[0], data: data, borderColor: own, backgroundColor: own, pointRadius: data.length < 3 ? 3 : 0 };
      }).filter(function (set) { return set.data.length; });
      chart.update('none');
      byId(id).dataset.points = shown;
    });
  }
  function forgetCharts() {
    Object.keys(charts).forEach(function (id) { charts[id].destroy(); });
    charts = {};
  }

  // ---- devices ----

  function showDevices(page) {
    fillTable('devices', [
      ['device', '', function (d) { return d.device; }],
      ['name', 'words long', function (d) { return d.name; }],
      ['tier', 'words', function (d) { return d.tier; }],
      ['state', 'words', function (d) { return d.revoked ? 'revoked' : d.state; }],
      ['last heard of', '', function (d) { return known(d.silent_s) ? seconds(d.silent_s) + ' ago' : 'never'; }],
      ['came in', 'words', function (d) { return moment(d.enrolled_at_s); }]
    ], page.devices, 'none has come in yet');
    var end = known(page.next) ? page.next : page.numbers;
    byId('devices-place').textContent = page.numbers ? 'numbers ' + page.from + ' to ' + (end - 1) + ' of ' + count(page.numbers) : '';
    byId('devices-first').disabled = page.from === 0;
    byId('devices-next').disabled = !known(page.next);
    byId('devices-next').onclick = function () { devicesFrom = page.next; refreshDevices().catch(unreachable); };
  }
  byId('devices-first').onclick = function () { devicesFrom = 0; refreshDevices().catch(unreachable); };

  // ---- asking ----

  function ask(path) {
    return fetch(path, { cache: 'no-store' }).then(function (answer) {
      if (!answer.ok) throw new Error(path + ': ' + answer.status);
      return answer.json();
    });
  }
  function refreshDevices() { return ask('devices.json?from=' + devicesFrom).then(showDevices); }
  // Only what is new; all of it, where the coordinator was started anew or a long run has made too many.
  function refreshRounds() {
    if (rounds.length > ROUNDS_MAX) rounds = [];
    var from = rounds.length ? rounds[rounds.length - 1].round + 1 : 0;
    return ask('rounds.json?from=' + from).then(function (answer) {
      var anew = startedAt !== null && answer.started_at_s !== startedAt;
      startedAt = answer.started_at_s;
      if (anew) rounds = [];
      if (anew && from) return refreshRounds();
      if (from && !answer.rounds.length) return;
      rounds = rounds.concat(answer.rounds);
      showRounds();
    });
  }
  function unreachable(error) {
    byId('unreachable').hidden = false;
    byId('unreachable').textContent = 'The coordinator does not answer (' + error.message + '); what stands here is old.';
  }
  function refresh() {
    Promise.all([ask('status.json').then(showStatus), refreshRounds(), refreshDevices()]).then(function () {
      byId('unreachable').hidden = true;
      document.body.dataset.refreshed = (+document.body.dataset.refreshed || 0) + 1;
    }).catch(unreachable).then(function () { setTimeout(refresh, EVERY_MS); });
  }

  document.body.dataset.charts = typeof Chart === 'undefined' ? 'none' : 'drawn';
  byId(typeof Chart === 'undefined' ? 'no-charts' : 'charts').hidden = false;
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', function () { forgetCharts(); drawCharts(); });
  refresh();
})();
