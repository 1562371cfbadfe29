// What a rule may pass to the destination that its step delivers to.

import { listItem, within } from "./forms.js";
import { clone } from "./page.js";

/** Say what the chosen destination takes, and have a row for each of it. */
export function offerInputs(step) {
  const select = step.querySelector("[data-key=destination] select");
  const field = step.querySelector("[data-key=inputs]");
  const list = field.querySelector(".takes");
  const takes = JSON.parse(select.selectedOptions[0]?.dataset.takes ?? "[]");
  list.hidden = !takes.length;
  if (list.dataset.of === select.value) return;
  const isChosen = "of" in list.dataset; // not so when the form was only drawn
  list.dataset.of = select.value;
  list.replaceChildren(
    ...takes.map(({ name, required, hint }) =>
      listItem(`${name}${required ? " (required)" : ""}: ${hint}`),
    ),
  );
  const names = within("[data-pair] input:first-child", field).map((input) => input.value);
  if (!isChosen && names.length) return;
  const rows = field.querySelector(".pairs");
  for (const { name } of takes.filter((each) => !names.includes(each.name))) {
    rows.append(clone("new-pair"));
    rows.lastElementChild.querySelector("input").value = name;
  }
}
