// Models as the choices of the static edition have them.
const { titles, marks } = JSON.parse(document.getElementById("site").textContent);

export const marksOf = (model) => marks[model];
export const named = (models) => models.map((name) => ({ name, label: titles[name] }));
