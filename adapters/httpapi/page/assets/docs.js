// Shows the OpenAPI document in Swagger UI. Without a validator no other host
// is asked.
SwaggerUIBundle({
  url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#api",
  deepLinking: true,
  validatorUrl: null,
});
