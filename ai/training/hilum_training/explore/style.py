"""How the report looks. Everything is in the page: it is read in years, on machines without a network."""

STYLE = """
:root { --ink: #1d2733; --gray: #66717f; --line: #dde3ea; --soft: #f5f7f9; --red: #c0392b; --green: #2c7a5b }
* { box-sizing: border-box }
body { margin: 0; background: var(--soft); color: var(--ink); font: 15px/1.5 system-ui, "Noto Sans", sans-serif }
main { max-width: 1160px; margin: 0 auto; padding: 32px 24px 64px }
h1 { font-size: 26px; line-height: 1.2; margin: 0 }
h2 { font-size: 18px; margin: 40px 0 4px }
h3 { font-size: 14px; margin: 18px 0 6px }
h3 i { font-style: normal; color: var(--gray); font-weight: 400 }
p.note { margin: 0 0 12px; color: var(--gray); max-width: 72em }
.lead { margin: 6px 0 0; color: var(--gray) }
.card, .plot, .pair, table, ul.findings { background: #fff; border: 1px solid var(--line); border-radius: 6px }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 20px }
.card { padding: 12px 14px }
.card b { display: block; font-size: 27px; line-height: 1.2; font-weight: 600 }
.card span { color: var(--gray); font-size: 13px; display: block; white-space: nowrap }
.card.bad b { color: var(--red) }
.card.good b { color: var(--green) }

ul.findings { list-style: none; margin: 12px 0 0; padding: 0 }
.findings li { padding: 9px 14px; border-top: 1px solid var(--line) }
.findings li:first-child { border-top: 0 }
.findings details { font-size: 13px; color: var(--gray) }
.findings ol { columns: 2; margin: 6px 0 }
.findings ol li { border: 0; padding: 0; overflow-wrap: anywhere }
.tag { display: inline-block; min-width: 50px; text-align: center; font-size: 12px; border-radius: 10px }
.tag { padding: 1px 8px; margin-right: 8px; color: #fff }
.tag.mend { background: var(--red) }
.tag.look { background: #b8761f }
.tag.know { background: #8a94a3 }

.plots { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; align-items: start }
.plot { padding: 6px }
.plot.wide { grid-column: span 2 }
.plot img { width: 100%; display: block }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums }
th, td { padding: 6px 10px; white-space: nowrap; text-align: right; border-top: 1px solid var(--line) }
tr:first-child th { border-top: 0 }
th { font-weight: 600; color: var(--gray); font-size: 13px }
td small { color: var(--gray) }
th:first-child, td:first-child { text-align: left }

.pictures { display: grid; grid-template-columns: repeat(5, 1fr); gap: 10px; align-items: end; margin-top: 8px }
figure { margin: 0 }
figure img { width: 100%; display: block; border-radius: 4px; background: #000 }
figcaption { font-size: 12px; line-height: 1.35; color: var(--gray); overflow-wrap: anywhere; padding-top: 3px }
figcaption b { color: var(--ink); font-weight: 600 }
.pairs { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px }
.pair { padding: 8px }
.pair.bad { border: 2px solid var(--red) }
.pair div { display: grid; grid-template-columns: 1fr 1fr; gap: 4px }
.red { color: var(--red) }
.blue { color: #3b82c4 }
@media (max-width: 800px) {
  .plots, .pairs { grid-template-columns: 1fr }
  .plot.wide { grid-column: auto }
  .pictures { grid-template-columns: 1fr 1fr }
}
@media print { body { background: #fff } .plot, .card, figure { break-inside: avoid } }
"""
