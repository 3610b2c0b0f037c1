/** The page's only style sheet; its digest stands in the page's security policy. */
export const style = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --deny: #c62828; --warn: #b26a00; --ok: #2e7d32; --quiet: #777 }
@media (prefers-color-scheme: dark) { :root { --deny: #ff7369; --warn: #ffb74d; --ok: #81c784; --quiet: #999 } }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 0 auto; padding: 24px }
h1 { margin: 0 0 4px; font-size: 24px; overflow-wrap: anywhere }
h2 { margin: 36px 0 8px; font-size: 18px; border-bottom: 1px solid var(--line) }
small { font-weight: normal; color: var(--quiet) }
nav a { margin-right: 14px }
code, pre, td { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere }
pre { white-space: pre-wrap; background: var(--soft); padding: 8px; border-radius: 6px; margin: 6px 0 }
mark { background: #ffd54f; color: #000; border-radius: 3px; padding: 0 2px }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font: 600 13px system-ui, sans-serif; color: var(--quiet) }
th, td { padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top }
.scroll { overflow-x: auto }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 12px 0 }
.facts dt { color: var(--quiet) } .facts dd { margin: 0; overflow-wrap: anywhere }
.verdict { display: inline-block; padding: 3px 12px; border-radius: 6px; color: #fff; font-weight: 600 }
.findings { background: #c62828 } .incomplete { background: #b26a00 } .clean { background: #2e7d32 }
.finding { border: 1px solid var(--line); border-left: 5px solid var(--quiet); border-radius: 6px; padding: 10px 14px; margin: 12px 0 }
.finding.CRITICAL, .finding.HIGH { border-left-color: var(--deny) } .finding.MEDIUM { border-left-color: var(--warn) }
.finding h3 { margin: 0; font-size: 16px } .finding.accepted { opacity: .65 }
.severity { font: 700 12px ui-monospace, monospace; margin-right: 8px }
.CRITICAL .severity, .HIGH .severity, .deny { color: var(--deny) } .MEDIUM .severity { color: var(--warn) }
.cut, .quiet { color: var(--quiet) }
details { margin-left: 18px } details > summary { cursor: pointer } .leaf { margin-left: 34px }
svg { width: 100%; height: auto; display: block; background: var(--soft); border-radius: 6px }
svg text { font: 11px system-ui, sans-serif; fill: currentColor }
.t-file { fill: #5c6bc0 } .t-net { fill: #00897b } .t-process { fill: #8d6e63 } .t-other { fill: #9e9e9e } .t-deny { fill: #e53935 }
`;
