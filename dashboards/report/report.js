// Draws what each plot's JSON says, once it comes into sight. Times are the business's, as minutes on its clock.
const MINUTE = 60_000;
const DAY = 1_440;
const MOST_SYMBOLS = 100;
const ROUND = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
const DAYS = { year: "{d} {MMM}", month: "{d} {MMM}", day: "{d} {MMM}", hour: "{HH}:{mm}", minute: "{HH}:{mm}" };
const probe = document.body.appendChild(document.createElement("span"));

/** What a colour of the style sheet is, in light or dark as it is now. */
function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

function moment(at) {
  const options = { timeZone: "UTC", weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat("en-GB", options).format(at);
}

function starts(steps) {
  let at = 0;
  return steps.map((step) => (at += step) * MINUTE);
}

/** What is said of a place in the course. Text only, so that nothing in it is taken for markup. */
function said(data, at, place) {
  const first = data.first.find(([one]) => one === place);
  const alert = data.alerts.find(([one]) => one === place);
  const [value, low, high] = [data.value[place], data.low[place], data.high[place]];
  const lines = [moment(at[place])];
  if (value !== null) lines.push(`value ${value.toLocaleString("en")} ${data.axis}`);
  if (first) lines.push(`as known then: ${first[1] === null ? "nothing" : first[1].toLocaleString("en")}`);
  if (low !== null) lines.push(`expected ${low.toLocaleString("en")} to ${high.toLocaleString("en")}`);
  if (alert) lines.push(`alert: ${alert[1]}`);
  for (const [number, since, until, title] of data.incidents)
    if (since * MINUTE <= at[place] && at[place] < until * MINUTE) lines.push(`incident ${number}: ${title}`);
  const box = document.createElement("div");
  box.style.cssText = "white-space: pre-line; max-width: 16rem";
  box.textContent = lines.join("\n");
  return box;
}

/** Where the axis ends if the band is far above all values, or some of it above the rest; else undefined. */
function top(data) {
  const known = [...data.value, ...data.first.map(([, value]) => value), ...data.goal].filter((one) => one !== null);
  const highs = data.high.filter((one) => one !== null).sort((a, b) => a - b);
  if (!highs.length) return undefined;
  const most = Math.max(0, ...known);
  const usual = highs[Math.floor(0.9 * highs.length)];
  const enough = Math.max(most, most > 0 ? Math.min(usual, 3 * most) : usual) * 1.1;
  if (highs.at(-1) < 1.4 * enough || enough <= 0) return undefined;
  const power = 10 ** Math.floor(Math.log10(enough));
  return power * ROUND.find((one) => one * power >= enough);
}

function options(data) {
  const at = starts(data.at);
  const [ink, soft, line, accent, bad, warn, card] = ["ink", "soft", "line", "accent", "bad", "warn", "card"].map(colour);
  // A value between hours without any is no line.
  const alone = (place) => (data.value[place - 1] ?? null) === null && (data.value[place + 1] ?? null) === null;
  // Whoever was told was told of what was known then.
  const then = new Map(data.first);
  const few = data.value.length <= MOST_SYMBOLS;
  const along = (values) => values.map((value, place) => [at[place], value]);
  const width = data.low.map((low, place) => (low === null ? null : data.high[place] - low));
  const band = { type: "line", stack: "band", stackStrategy: "all", symbol: "none", lineStyle: { opacity: 0 }, silent: true };
  const axis = { axisLabel: { color: soft, hideOverlap: true }, axisLine: { lineStyle: { color: line } }, splitLine: { lineStyle: { color: line } } };
  const times = data.incidents.map(([number, since, until]) => [
    { xAxis: since * MINUTE, name: String(number) },
    { xAxis: until * MINUTE },
  ]);
  return {
    animation: false,
    useUTC: true,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: 8, right: 14, top: 46, bottom: 40, containLabel: true },
    tooltip: {
      trigger: "axis",
      confine: true,
      backgroundColor: card,
      borderColor: line,
      textStyle: { color: ink },
      formatter: (points) => said(data, at, at.indexOf(points[0].value[0])),
    },
    xAxis: { type: "time", ...axis, axisLabel: { ...axis.axisLabel, fontSize: 12, formatter: DAYS }, splitLine: { show: false } },
    yAxis: { type: "value", max: top(data), name: data.axis, nameGap: 22, nameTextStyle: { color: soft, align: "left" }, ...axis },
    dataZoom: [
      {
        type: "slider",
        height: 18,
        bottom: 8,
        borderColor: line,
        fillerColor: "rgba(128, 128, 128, 0.2)",
        handleStyle: { color: card, borderColor: soft },
        moveHandleStyle: { color: soft, opacity: 0.5 },
        showDetail: false,
        showDataShadow: false,
        brushSelect: false,
      },
    ],
    series: [
      { ...band, name: "low", data: along(data.low) },
      { ...band, name: "expected", data: along(width), areaStyle: { color: accent, opacity: 0.2 } },
      {
        name: "value",
        type: "line",
        symbol: "none",
        lineStyle: { width: 1.5 },
        color: accent,
        data: along(data.value),
        markLine: {
          silent: true,
          symbol: "none",
          lineStyle: { color: soft },
          label: { color: soft, formatter: "goal {c}", position: "insideEndTop" },
          data: data.goal.map((goal) => ({ yAxis: goal })),
        },
        markArea: { silent: true, itemStyle: { color: bad, opacity: 0.14 }, label: { color: bad, fontWeight: "bold" }, data: times },
      },
      {
        name: "value",
        type: "scatter",
        symbolSize: 4,
        color: accent,
        data: along(data.value).filter(([, value], place) => value !== null && (few || alone(place))),
      },
      {
        name: "as known then",
        type: "scatter",
        symbol: "emptyCircle",
        symbolSize: 8,
        color: warn,
        data: data.first.map(([place, value]) => [at[place], value]),
      },
      {
        name: "alert",
        type: "scatter",
        symbol: "triangle",
        symbolSize: 12,
        color: bad,
        data: data.alerts.map(([place]) => [at[place], then.get(place) ?? data.value[place]]),
      },
    ],
  };
}

/** Buttons that choose the time of an incident, with what was a day before and after, or the whole. */
function zooms(place, data) {
  if (!data.incidents.length) return;
  const row = document.createElement("p");
  row.className = "zooms";
  row.append("Zoom: ");
  const button = (text, label, zoom) => {
    const one = document.createElement("button");
    Object.assign(one, { type: "button", textContent: text, ariaLabel: label });
    one.addEventListener("click", () => draw(place, data).dispatchAction({ type: "dataZoom", dataZoomIndex: 0, ...zoom }));
    row.append(one, " ");
  };
  // A time that is not wholly within that of the plot is not zoomed to.
  const at = starts(data.at);
  for (const [number, since, until] of data.incidents)
    button(`incident ${number}`, `Zoom to incident ${number}`, {
      startValue: Math.max(at[0], (since - DAY) * MINUTE),
      endValue: Math.min(at.at(-1), (until + DAY) * MINUTE),
    });
  button("whole time", "Zoom out to the whole time", { start: 0, end: 100 });
  place.after(row);
}

const drawn = new Map();

function draw(place, data) {
  if (drawn.has(place)) return drawn.get(place)[0];
  const chart = echarts.init(place, null, { renderer: "svg" });
  chart.setOption(options(data));
  drawn.set(place, [chart, data]);
  new ResizeObserver(() => chart.resize()).observe(place);
  return chart;
}

const read = (place) => JSON.parse(place.nextElementSibling.textContent);
const plots = new Map(Array.from(document.querySelectorAll(".plot"), (place) => [place, read(place)]));
const seen = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => draw(target, plots.get(target))),
  { rootMargin: "400px" },
);
plots.forEach((data, place) => {
  zooms(place, data);
  seen.observe(place);
});
addEventListener("beforeprint", () => plots.forEach((data, place) => draw(place, data)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
  drawn.forEach(([chart, data]) => chart.setOption(options(data))),
);
