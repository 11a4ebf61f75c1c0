/** Of the report: reads on a screen and on paper. Orange and blue are told apart by those who confuse red and green. */
export const STYLE = `
:root { --ink: #1b2430; --soft: #5b6675; --line: #d9dee5; --main: #1d4f91; --positive: #d9730d; --negative: #3b82c4; --warn: #a61b1b; --paper: #fff; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 32px 60px; font: 15px/1.5 system-ui, 'Noto Sans', 'Segoe UI', sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 25px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 40px 0 8px; padding-top: 14px; border-top: 2px solid var(--line); } h3 { font-size: 15px; margin: 22px 0 6px; }
p { margin: 6px 0 10px; max-width: 92ch; } .soft, .scale { color: var(--soft); font-weight: normal; } .scale { font-size: 12px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0; }
.tile { flex: 1 1 170px; border: 1px solid var(--line); border-radius: 6px; padding: 10px 14px; } .tile b { display: block; font-size: 26px; line-height: 1.25; } .tile span { color: var(--soft); font-size: 13px; }
.warnings { border-left: 4px solid var(--warn); background: #fdf3f2; margin: 14px 0; padding: 8px 16px; } .warnings ul { margin: 4px 0; padding-left: 20px; } .none { border-left: 4px solid #2f7d4f; background: #f1f8f3; padding: 8px 16px; }
table { border-collapse: collapse; margin: 8px 0 14px; font-variant-numeric: tabular-nums; } th, td { padding: 4px 12px 4px 0; text-align: left; vertical-align: middle; border-bottom: 1px solid var(--line); } thead th { border-bottom: 2px solid var(--ink); font-size: 13px; }
td.n, th.n { text-align: right; } .matrix td { text-align: right; min-width: 84px; } .matrix .right { background: #eaf3ec; } .matrix .wrong { background: #fbeeea; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(440px, 1fr)); gap: 18px 26px; } figure { margin: 0; break-inside: avoid; } figcaption { font-size: 13px; color: var(--soft); max-width: 54ch; } figcaption b { color: var(--ink); }
svg { max-width: 100%; height: auto; display: block; } svg text { font-size: 12px; fill: var(--ink); } svg .tick { fill: var(--soft); font-size: 11px; } svg .axis { font-size: 12px; fill: var(--soft); }
.grid { stroke: #eceff3; } .line { fill: none; stroke-width: 1.8; } .line.main { stroke: var(--main); } .line.guide { stroke: #9aa4b1; stroke-dasharray: 4 4; stroke-width: 1; } .line.spread { stroke: var(--positive); stroke-width: 1.6; } .line.threshold { stroke: var(--ink); stroke-dasharray: 3 3; stroke-width: 1.2; }
.point { fill: var(--positive); stroke: #fff; stroke-width: 1; } rect.positive { fill: var(--positive); } rect.negative { fill: var(--negative); } svg .key { fill: var(--soft); } svg .key-point, svg .key-positive { fill: #a85606; } svg .key-negative { fill: #245d94; }
.forest { font-size: 13px; } .forest td, .forest th { padding: 1px 8px 1px 0; } .forest .attribute th { padding-top: 10px; border-bottom: 1px solid var(--ink); } .forest .all th, .forest .all td { font-weight: 600; } .forest .figure { white-space: nowrap; padding-right: 18px; }
.overall { stroke: #9aa4b1; stroke-dasharray: 3 2; } .line.all, .line.fine { stroke: var(--main); } .mark.all, .mark.fine { fill: var(--main); } .line.off { stroke: var(--warn); } .mark.off { fill: var(--warn); } td.off { color: var(--warn); font-weight: 600; } .line.small { stroke: #9aa4b1; } .mark.small { fill: #9aa4b1; } td.small { color: var(--soft); }
.advice td { white-space: nowrap; } .advice th { max-width: 15ch; } .wanted td { font-weight: 600; } .worse { color: var(--warn); } .better { color: #2f7d4f; } code { font-size: 12px; overflow-wrap: anywhere; } .two { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 0 32px; }
@media print { body { padding: 0; font-size: 12px; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
`;
